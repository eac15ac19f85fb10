using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace BlockRepl.Rpc.Tests;

/// <summary>G14: who may not talk is told so in a sentence, at both ends.</summary>
public class TlsTests
{
    [Fact]
    public async Task A_server_of_another_cluster_is_refused()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor, TestCerts.Foreign("beta"));
        ChannelException e = await DialFailsAsync(server, TestCerts.Cluster("alpha"), "beta");
        Assert.Equal("the peer's certificate ('beta') is not from this cluster's CA", e.Message);
    }

    [Fact]
    public async Task A_client_of_another_cluster_is_refused()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor, TestCerts.Cluster("beta"));
        // This dialler trusts the server's CA, but its own certificate is foreign.
        string mixed = Mix(TestCerts.Directory, TestCerts.Foreign("alpha"));
        await RefusedByServerAsync(server, TestCerts.Load(mixed, "alpha"));
        Assert.Equal("the peer's certificate ('alpha') is not from this cluster's CA", acceptor.NextRefusal());
        Directory.Delete(mixed, recursive: true);
    }

    [Fact]
    public async Task A_server_that_is_another_node_is_refused()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor, TestCerts.Cluster("gamma"));
        ChannelException e = await DialFailsAsync(server, TestCerts.Cluster("alpha"), "beta");
        Assert.Equal("the peer's certificate is that of node 'gamma', not of 'beta'", e.Message);
    }

    [Fact]
    public async Task A_client_that_is_no_peer_is_refused()
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor, TestCerts.Cluster("beta"), node => node == "alpha");
        await RefusedByServerAsync(server, TestCerts.Cluster("gamma"));
        Assert.Equal("node 'gamma' is not one of this node's peers", acceptor.NextRefusal());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_expired_certificate_is_refused(bool atServer)
    {
        string directory = Expired("alpha");
        TlsOptions expired = TestCerts.Load(directory, "alpha");
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor, atServer ? expired : TestCerts.Cluster("beta"));
        if (atServer)
        {
            ChannelException e = await DialFailsAsync(server, TestCerts.Cluster("beta"), "alpha");
            Assert.Equal("the peer's certificate ('alpha') expired on 2020-01-02", e.Message);
        }
        else
        {
            await RefusedByServerAsync(server, expired);
            Assert.Equal("the peer's certificate ('alpha') expired on 2020-01-02", acceptor.NextRefusal());
        }

        Directory.Delete(directory, recursive: true);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tls_and_clear_text_do_not_mix(bool serverTls)
    {
        var acceptor = new RecordingAcceptor();
        await using PeerServer server = Pair.Listen(acceptor, serverTls ? TestCerts.Cluster("beta") : null);
        await DialFailsAsync(server, serverTls ? null : TestCerts.Cluster("alpha"), "beta");
    }

    [Fact]
    public void Certificates_are_never_overwritten_and_keys_are_private()
    {
        string directory = Directory.CreateTempSubdirectory("blockrepl-init-").FullName;
        string fresh = Path.Combine(directory, "tls");
        Certificates.InitCa(fresh);
        Certificates.IssueNode(fresh, "alpha");
        Dictionary<string, byte[]> before = Directory.GetFiles(fresh).ToDictionary(f => f, File.ReadAllBytes);
        Assert.Equal(["alpha.key", "alpha.pem", "ca.key", "ca.pem"], before.Keys.Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (string key in before.Keys.Where(f => f.EndsWith(".key", StringComparison.Ordinal)))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));

        Assert.Contains("ca.pem exists already", Assert.Throws<TlsFileException>(() => Certificates.InitCa(fresh)).Message, StringComparison.Ordinal);
        Assert.Contains("alpha.pem exists already", Assert.Throws<TlsFileException>(() => Certificates.IssueNode(fresh, "alpha")).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(fresh, "alpha.pem"));
        Assert.Contains("alpha.key exists already", Assert.Throws<TlsFileException>(() => Certificates.IssueNode(fresh, "alpha")).Message, StringComparison.Ordinal);
        Assert.Equal(before[Path.Combine(fresh, "alpha.key")], File.ReadAllBytes(Path.Combine(fresh, "alpha.key")));
        foreach (string bad in new[] { "", "../x", "a/b", "ca", "a b", "-x", new string('a', 65) })
            Assert.Throws<TlsFileException>(() => Certificates.IssueNode(fresh, bad));
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void OpenSsl_accepts_the_certificates()
    {
        string directory = TestCerts.Directory;
        using Process openssl = Process.Start(new ProcessStartInfo(
            "openssl", ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "alpha", "-CAfile", directory + "/ca.pem", directory + "/alpha.pem"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = openssl.StandardOutput.ReadToEnd() + openssl.StandardError.ReadToEnd();
        openssl.WaitForExit();
        Assert.True(openssl.ExitCode == 0, output);
    }

    [Fact]
    public void A_bad_file_is_named()
    {
        string file = Path.Combine(TestCerts.Directory, "missing.pem");
        Assert.Contains(file, Assert.Throws<TlsFileException>(() => TlsOptions.Load(file, file, file)).Message, StringComparison.Ordinal);
        string ca = Path.Combine(TestCerts.Directory, "ca.pem");
        string otherKey = Path.Combine(TestCerts.Directory, "beta.key");
        Assert.Contains(otherKey, Assert.Throws<TlsFileException>(() => TlsOptions.Load(ca, ca, otherKey)).Message, StringComparison.Ordinal);
    }

    private static async Task<ChannelException> DialFailsAsync(PeerServer server, TlsOptions? tls, string expected) =>
        await Assert.ThrowsAsync<ChannelException>(() => PeerDialer.DialAsync(
            server.Endpoint, tls, expected, new RecordingHandler(), TimeSpan.FromSeconds(5), CancellationToken.None));

    /// <summary>In TLS 1.3 the client is done before the server has looked at its certificate: the refusal comes at the first read.</summary>
    private static async Task RefusedByServerAsync(PeerServer server, TlsOptions tls)
    {
        ChannelException e = await DialFailsAsync(server, tls, "beta");
        Assert.Contains("does it accept this node's certificate?", e.Message, StringComparison.Ordinal);
    }

    private static string Mix(string caDirectory, TlsOptions node)
    {
        string directory = Directory.CreateTempSubdirectory("blockrepl-mix-").FullName;
        File.Copy(Path.Combine(caDirectory, "ca.pem"), Path.Combine(directory, "ca.pem"));
        Write(directory, "alpha", node.Certificate, node.Certificate.GetECDsaPrivateKey()!);
        return directory;
    }

    private static string Expired(string name)
    {
        using X509Certificate2 ca = X509Certificate2.CreateFromPemFile(
            Path.Combine(TestCerts.Directory, "ca.pem"), Path.Combine(TestCerts.Directory, "ca.key"));
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // The CA must have been valid when the certificate was made, or the chain fails for another reason too.
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        X509SignatureGenerator signer = X509SignatureGenerator.CreateForECDsa(ca.GetECDsaPrivateKey()!);
        using X509Certificate2 certificate = request.Create(
            ca.SubjectName, signer, new DateTimeOffset(2020, 1, 1, 12, 0, 0, TimeSpan.Zero), new DateTimeOffset(2020, 1, 2, 12, 0, 0, TimeSpan.Zero), [1, 2, 3, 4]);
        string directory = Directory.CreateTempSubdirectory("blockrepl-expired-").FullName;
        File.Copy(Path.Combine(TestCerts.Directory, "ca.pem"), Path.Combine(directory, "ca.pem"));
        Write(directory, name, certificate, key);
        return directory;
    }

    private static void Write(string directory, string name, X509Certificate2 certificate, ECDsa key)
    {
        File.WriteAllText(Path.Combine(directory, name + ".pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(directory, name + ".key"), key.ExportPkcs8PrivateKeyPem());
    }
}
