using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using BlockRepl.Rpc.Tls;

namespace BlockRepl.Rpc;

/// <summary>
/// The cluster's own CA and its nodes' certificates, as files. No file is ever overwritten, and a key is readable by its owner alone
/// from the moment that it exists.
/// </summary>
public static partial class Certificates
{
    private const int Years = 10;

    /// <summary>Makes <c>ca.pem</c> and <c>ca.key</c> in a directory, which is created if it is missing.</summary>
    /// <exception cref="TlsFileException">A file exists already or cannot be written.</exception>
    public static void InitCa(string directory)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=BlockRepl cluster CA", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        (DateTimeOffset from, DateTimeOffset to) = Validity();
        using X509Certificate2 ca = request.CreateSelfSigned(from, to);
        WritePair(directory, "ca", ca, key);
    }

    /// <summary>
    /// Makes <c>NAME.pem</c> and <c>NAME.key</c> for a node, signed by the CA in the same directory. The certificate serves for both sides
    /// of a connection and names the node as its CN and as a DNS name.
    /// </summary>
    /// <exception cref="TlsFileException">The name is not one, a file exists already, or the CA cannot be used.</exception>
    public static void IssueNode(string directory, string name)
    {
        if (!NodeName().IsMatch(name) || name == "ca")
            throw new TlsFileException($"'{name}' cannot be a node's name: letters, digits, '-', '_' and '.', 1 to 64 of them, and not 'ca'");
        TlsOptions ca = TlsOptions.Load(Path.Combine(directory, "ca.pem"), Path.Combine(directory, "ca.pem"), Path.Combine(directory, "ca.key"));
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([new Oid(PeerCertificate.ServerAuth), new Oid(PeerCertificate.ClientAuth)], false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(ca.Certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());

        (DateTimeOffset from, DateTimeOffset to) = Validity();
        if (to > ca.Certificate.NotAfter)
            to = ca.Certificate.NotAfter;
        Span<byte> serial = stackalloc byte[16];
        RandomNumberGenerator.Fill(serial);
        // Positive and of full length, as RFC 5280 section 4.1.2.2 wants it.
        serial[0] = (byte)((serial[0] & 0x7F) | 0x40);
        using X509Certificate2 certificate = request.Create(ca.Certificate, from, to, serial);
        WritePair(directory, name, certificate, key);
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    private static partial Regex NodeName();

    private static (DateTimeOffset From, DateTimeOffset To) Validity()
    {
        // An hour of grace for nodes whose clock is behind.
        DateTimeOffset from = DateTimeOffset.UtcNow.AddHours(-1);
        return (from, from.AddYears(Years));
    }

    private static void WritePair(string directory, string name, X509Certificate2 certificate, ECDsa key)
    {
        string keyFile = Path.Combine(directory, name + ".key");
        string certificateFile = Path.Combine(directory, name + ".pem");
        try
        {
            Directory.CreateDirectory(directory);
            if (File.Exists(certificateFile))
                throw new TlsFileException($"{certificateFile} exists already and is not overwritten");
            WriteNew(keyFile, key.ExportPkcs8PrivateKeyPem(), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            WriteNew(
                certificateFile,
                certificate.ExportCertificatePem(),
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TlsFileException(
                File.Exists(keyFile) ? $"{keyFile} exists already and is not overwritten" : $"cannot write to {directory}: {e.Message}", e);
        }
    }

    private static void WriteNew(string path, string text, UnixFileMode mode)
    {
        // CreateNew is O_EXCL, and the mode holds from the first moment.
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode;
        using var file = new FileStream(path, options);
        file.Write(System.Text.Encoding.ASCII.GetBytes(text + "\n"));
        file.Flush(flushToDisk: true);
    }
}
