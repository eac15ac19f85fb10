using System.Net.Security;
using System.Security.Authentication;
using BlockRepl.Primitives;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc.Tls;

/// <summary>Mutual TLS on a connected socket, from either end (G14). Blocks until it is done or the socket is shut down.</summary>
internal static class TlsHandshake
{
    // AES with 128 bits first, which OpenSSL would take after 256: the key is as far out of reach, and a byte costs two thirds (docs/decisions/0181). All of them have forward secrecy.
    private static readonly CipherSuitesPolicy Suites = new(
    [
        TlsCipherSuite.TLS_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]);

    /// <summary>The dialing end: the peer must prove to be <paramref name="expectedPeer"/>.</summary>
    /// <exception cref="ChannelException">It did not work; the message says why.</exception>
    public static (IWire Wire, string? Peer) AsClient(PeerSocket socket, object gate, TlsOptions tls, string expectedPeer)
    {
        string? refusal = null;
        string? peer = null;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = expectedPeer,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            EnabledSslProtocols = SslProtocols.Tls13 | SslProtocols.Tls12,
            CipherSuitesPolicy = Suites,
            ClientCertificateContext = SslStreamCertificateContext.Create(tls.Certificate, null, offline: true),
            CertificateChainPolicy = PeerCertificate.Policy(tls.Ca, PeerCertificate.ServerAuth),
            // A resumed session would be accepted without showing its certificate again.
            AllowTlsResume = false,
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                refusal = PeerCertificate.Refusal(certificate, tls.Ca, PeerCertificate.ServerAuth, expectedPeer, out peer);
                return refusal is null;
            },
        };
        return (Run(socket, gate, ssl => ssl.AuthenticateAsClient(options), () => refusal), peer);
    }

    /// <summary>The listening end: the peer must prove to be a node that <paramref name="isAllowed"/> lets in.</summary>
    /// <exception cref="ChannelException">It did not work; the message says why.</exception>
    public static (IWire Wire, string? Peer) AsServer(
        PeerSocket socket, object gate, TlsOptions tls, Func<string, bool>? isAllowed, Action<string> onRefused)
    {
        string? refusal = null;
        string? peer = null;
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(tls.Certificate, null, offline: true),
            ClientCertificateRequired = true,
            EnabledSslProtocols = SslProtocols.Tls13 | SslProtocols.Tls12,
            CipherSuitesPolicy = Suites,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            CertificateChainPolicy = PeerCertificate.Policy(tls.Ca, PeerCertificate.ClientAuth),
            AllowTlsResume = false,
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                refusal = PeerCertificate.Refusal(certificate, tls.Ca, PeerCertificate.ClientAuth, null, out peer);
                if (refusal is null && isAllowed?.Invoke(peer!) == false)
                    refusal = $"node '{peer}' is not one of this node's peers";
                if (refusal is not null)
                    onRefused(refusal);
                return refusal is null;
            },
        };
        return (Run(socket, gate, ssl => ssl.AuthenticateAsServer(options), () => refusal), peer);
    }

    private static TlsWire Run(PeerSocket socket, object gate, Action<SslStream> authenticate, Func<string?> refusal)
    {
        var cipher = new CipherStream(socket, BlockBufferPool.Shared, gate);
        // Owned by the wire from here on; SslStream holds no descriptor of its own.
        var ssl = new SslStream(cipher, leaveInnerStreamOpen: true);
        try
        {
            authenticate(ssl);
            if (ssl.NegotiatedApplicationProtocol != SslApplicationProtocol.Http2)
                throw new ChannelException(ChannelCloseReason.ProtocolError, "the peer does not offer HTTP/2 over TLS");
            return new TlsWire(ssl, cipher);
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            Release(ssl, cipher);
            if (e.InnerException is ChannelException inner)
                throw inner;
            throw new ChannelException(ChannelCloseReason.ProtocolError, refusal() ?? $"TLS failed: {(e.InnerException ?? e).Message}");
        }
        catch (ChannelException)
        {
            Release(ssl, cipher);
            throw;
        }
    }

    private static void Release(SslStream ssl, CipherStream cipher)
    {
        cipher.Release();
        ssl.Dispose();
    }
}
