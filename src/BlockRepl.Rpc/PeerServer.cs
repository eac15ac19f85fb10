using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using BlockRepl.Rpc.Http2;
using BlockRepl.Rpc.Tls;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace BlockRepl.Rpc;

/// <summary>
/// Listens for peers on this node's address: Kestrel, HTTP/2 only, one method. Thread-safe. Messages are handed on from thread-pool
/// threads, where a handler may block on a disk; starting a server therefore raises the pool's minimum.
/// </summary>
public sealed class PeerServer : IAsyncDisposable
{
    private const string NodeKey = "blockrepl.node";

    // The pool adds threads beyond its minimum (the number of cores) only twice a second: with every one of them blocked on a disk,
    // nobody would answer a PING in time.
    private const int PoolThreadsMin = 16;

    private readonly WebApplication _app;
    private readonly IPeerAcceptor _acceptor;
    private readonly PeerServerOptions _options;

    private PeerServer(PeerServerOptions options, IPeerAcceptor acceptor)
    {
        _options = options;
        _acceptor = acceptor;
        // Nothing of the usual configuration: no environment variables, no files, no signal handlers.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, NoHostLifetime>();
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, LargeBlockPoolFactory>();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.UseSockets(sockets =>
        {
            // One hand-off less between the socket and the HTTP/2 parser.
            sockets.UnsafePreferInlineScheduling = true;
            sockets.NoDelay = true;
            sockets.Backlog = 64;
        });
        builder.WebHost.ConfigureKestrel(Configure);
        _app = builder.Build();
        ((IApplicationBuilder)_app).Run(ServeAsync);
    }

    /// <summary>Where it listens, with the port that was taken.</summary>
    public IPEndPoint Endpoint { get; private set; } = new(IPAddress.None, 0);

    /// <summary>Starts to listen.</summary>
    /// <exception cref="IOException">The address is in use or not this machine's.</exception>
    public static async Task<PeerServer> StartAsync(
        PeerServerOptions options, IPeerAcceptor acceptor, CancellationToken cancellationToken)
    {
        ThreadPool.GetMinThreads(out int workers, out int completions);
        if (workers < PoolThreadsMin)
            ThreadPool.SetMinThreads(PoolThreadsMin, completions);
        var server = new PeerServer(options, acceptor);
        try
        {
            await server._app.StartAsync(cancellationToken);
        }
        catch
        {
            await server._app.DisposeAsync();
            throw;
        }

        string address = server._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        server.Endpoint = new IPEndPoint(options.Endpoint.Address, new Uri(address).Port);
        return server;
    }

    /// <summary>
    /// Stops listening and cuts what is still connected; channels should have been closed before.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private void Configure(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        KestrelServerLimits limits = kestrel.Limits;
        limits.MaxConcurrentConnections = _options.ConnectionsMax;
        limits.MaxRequestBodySize = null;
        // An idle stream is not a slow one: how long silence may last is Core's to say.
        limits.MinRequestBodyDataRate = null;
        limits.MinResponseDataRate = null;
        limits.KeepAliveTimeout = _options.HandshakeTimeout;
        limits.RequestHeadersTimeout = _options.HandshakeTimeout;
        limits.MaxRequestHeaderCount = HpackDecoder.FieldsMax;
        limits.MaxRequestHeadersTotalSize = Http2Settings.HeaderBlockBytesMax;
        limits.MaxResponseBufferSize = 1 << 20;
        limits.Http2.MaxStreamsPerConnection = 16;
        limits.Http2.MaxFrameSize = Http2Settings.FrameBytesMax;
        limits.Http2.InitialStreamWindowSize = Http2Settings.StreamWindow;
        limits.Http2.InitialConnectionWindowSize = Http2Settings.ConnectionWindow;
        kestrel.Listen(_options.Endpoint, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            if (_options.Tls is { } tls)
                listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    HandshakeTimeout = _options.HandshakeTimeout,
                    OnConnection = context => ValueTask.FromResult(ServerTls(tls, context.Connection)),
                });
        });
    }

    private SslServerAuthenticationOptions ServerTls(TlsOptions tls, BaseConnectionContext connection) => new()
    {
        ServerCertificateContext = SslStreamCertificateContext.Create(tls.Certificate, null, offline: true),
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls13 | SslProtocols.Tls12,
        ApplicationProtocols = [SslApplicationProtocol.Http2],
        CertificateChainPolicy = PeerCertificate.Policy(tls.Ca, PeerCertificate.ClientAuth),
        // A resumed session would be accepted without showing its certificate again.
        AllowTlsResume = false,
        RemoteCertificateValidationCallback = (_, certificate, _, _) => Validate(tls, connection, certificate),
    };

    private bool Validate(TlsOptions tls, BaseConnectionContext connection, X509Certificate? certificate)
    {
        string? refusal = PeerCertificate.Refusal(certificate, tls.Ca, PeerCertificate.ClientAuth, null, out string? node);
        if (refusal is null && _options.IsPeerAllowed?.Invoke(node!) == false)
            refusal = $"node '{node}' is not one of this node's peers";
        if (refusal is null)
            connection.Items[NodeKey] = node;
        else
            _acceptor.OnRefused(connection.RemoteEndPoint?.ToString() ?? "unknown", refusal);
        return refusal is null;
    }

    private async Task ServeAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        string remote = $"{context.Connection.RemoteIpAddress}:{context.Connection.RemotePort}";
        context.Response.ContentType = "application/grpc";
        if (request.Path != PeerDialer.StreamPath || !HttpMethods.IsPost(request.Method)
            || request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) != true)
        {
            _acceptor.OnRefused(remote, "a request for something other than the peer stream");
            // A response of headers alone carries its status there ("Trailers-Only" in gRPC over HTTP/2).
            context.Response.Headers["grpc-status"] = "12";
            context.Response.Headers["grpc-message"] = "unknown method";
            return;
        }

        string? node = context.Features.Get<IConnectionItemsFeature>()?.Items.TryGetValue(NodeKey, out object? value) == true
            ? value as string
            : null;
        context.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = null;
        await context.Response.StartAsync(context.RequestAborted);
        var channel = new AcceptedChannel(context, remote, node);
        await channel.RunAsync(_acceptor);
    }
}
