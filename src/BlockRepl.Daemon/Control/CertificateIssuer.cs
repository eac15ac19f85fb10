using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Control;

/// <summary>The cluster's certificate authority on files.</summary>
public sealed class CertificateIssuer : ICertificateIssuer
{
    /// <inheritdoc/>
    public ControlResult InitCa(string directory) => Do(() =>
    {
        Directory.CreateDirectory(directory);
        Certificates.InitCa(directory);
    });

    /// <inheritdoc/>
    public ControlResult IssueNode(string directory, string name) => Do(() => Certificates.IssueNode(directory, name));

    private static ControlResult Do(Action work)
    {
        try
        {
            work();
            return ControlResult.Done;
        }
        catch (TlsFileException e)
        {
            return ControlResult.Refused(e.Message, "no key is ever overwritten; choose another --dir or move the old files away");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ControlResult.Failed(e.Message, "choose a directory that can be written");
        }
    }
}
