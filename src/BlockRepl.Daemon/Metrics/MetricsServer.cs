using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace BlockRepl.Daemon.Metrics;

/// <summary>
/// Serves <c>GET /metrics</c> in clear text over HTTP/1.1. Whoever reaches the port may read and no more; connections, their number and their time are bounded (G12, G14).
/// </summary>
internal sealed class MetricsServer : IAsyncDisposable
{
    private readonly KestrelServer _server;
    private readonly ServiceProvider _services = new ServiceCollection().BuildServiceProvider();

    private MetricsServer(IPEndPoint endpoint, ILoggerFactory loggers)
    {
        var options = new KestrelServerOptions { AddServerHeader = false, ApplicationServices = _services };
        options.Limits.MaxRequestBodySize = 0;
        options.Limits.MaxConcurrentConnections = 16;
        options.Limits.MaxRequestHeadersTotalSize = 8 * 1024;
        options.Limits.MaxRequestLineSize = 4 * 1024;
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        options.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        options.Listen(endpoint, listen => listen.Protocols = HttpProtocols.Http1);
        _server = new KestrelServer(Options.Create(options), new SocketTransportFactory(Options.Create(new SocketTransportOptions()), loggers), loggers);
    }

    /// <summary>Where it listens, with the port that was taken.</summary>
    public string Endpoint => new Uri(_server.Features.Get<IServerAddressesFeature>()!.Addresses.First()).Authority;

    /// <summary>Starts to serve.</summary>
    /// <exception cref="IOException">The address is in use or not this machine's.</exception>
    public static async Task<MetricsServer> StartAsync(IPEndPoint endpoint, MetricsPage page, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var server = new MetricsServer(endpoint, loggers);
        try
        {
            await server._server.StartAsync(new Application(page), cancellationToken);
            return server;
        }
        catch (Exception e)
        {
            await server.DisposeAsync();
            if (e is System.Net.Sockets.SocketException or InvalidOperationException)
                throw new IOException(e.Message, e);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // Who reads at this moment may finish, but not hold the daemon up.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _server.StopAsync(patience.Token);
        _server.Dispose();
        await _services.DisposeAsync();
    }

    private sealed class Application(MetricsPage page) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public async Task ProcessRequestAsync(HttpContext context)
        {
            HttpResponse response = context.Response;
            if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
            {
                response.StatusCode = StatusCodes.Status405MethodNotAllowed;
                response.Headers.Allow = "GET, HEAD";
                return;
            }

            if (context.Request.Path != "/metrics")
            {
                response.StatusCode = StatusCodes.Status404NotFound;
                return;
            }

            byte[] text = page.Text();
            response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            response.ContentLength = text.Length;
            if (HttpMethods.IsGet(context.Request.Method))
                await response.Body.WriteAsync(text, context.RequestAborted);
        }

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }
}
