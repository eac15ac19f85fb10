namespace BlockRepl.Daemon.Control;

/// <summary>The cluster's own certificate authority, a directory of files. Never overwrites a key.</summary>
public interface ICertificateIssuer
{
    /// <summary>Writes <c>ca.pem</c> and <c>ca.key</c>. Refused (11) when either is there.</summary>
    ControlResult InitCa(string directory);

    /// <summary>Writes <c>NAME.pem</c> and <c>NAME.key</c>, signed by the directory's CA. Refused (11) when either is there.</summary>
    ControlResult IssueNode(string directory, string name);
}
