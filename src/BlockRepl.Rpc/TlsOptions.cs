using System.Security.Cryptography.X509Certificates;

namespace BlockRepl.Rpc;

/// <summary>This node's certificate and the cluster's CA, read once. Immutable; used by <see cref="PeerDialer"/> and <see cref="PeerServer"/>.</summary>
public sealed class TlsOptions
{
    private TlsOptions(X509Certificate2 ca, X509Certificate2 certificate)
    {
        Ca = ca;
        Certificate = certificate;
    }

    /// <summary>The only CA whose certificates are accepted.</summary>
    public X509Certificate2 Ca { get; }

    /// <summary>This node's certificate with its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Reads three PEM files.</summary>
    /// <exception cref="TlsFileException">One cannot be read or does not fit the others; the message says which and why.</exception>
    public static TlsOptions Load(string caFile, string certificateFile, string keyFile)
    {
        X509Certificate2 ca = Read(caFile, () => X509Certificate2.CreateFromPem(File.ReadAllText(caFile)));
        X509Certificate2 node = Read(certificateFile, () => X509Certificate2.CreateFromPem(File.ReadAllText(certificateFile)));
        string key = Read(keyFile, () => File.ReadAllText(keyFile));
        X509Certificate2 certificate = Read(keyFile, () => X509Certificate2.CreateFromPem(node.ExportCertificatePem(), key));
        return new TlsOptions(ca, certificate);
    }

    private static T Read<T>(string file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException
            or System.Security.Cryptography.CryptographicException)
        {
            throw new TlsFileException($"cannot use {file}: {e.Message}", e);
        }
    }
}
