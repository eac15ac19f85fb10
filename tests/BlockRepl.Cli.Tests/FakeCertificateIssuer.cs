using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Tests;

/// <summary>Records what is asked.</summary>
internal sealed class FakeCertificateIssuer : ICertificateIssuer
{
    public List<string> Calls { get; } = [];

    public ControlResult InitCa(string directory)
    {
        Calls.Add($"init {directory}");
        return ControlResult.Answer("the certificate authority is in ca.pem");
    }

    public ControlResult IssueNode(string directory, string name)
    {
        Calls.Add($"node {name} {directory}");
        return ControlResult.Refused($"{name}.key is there already", "remove it first");
    }
}
