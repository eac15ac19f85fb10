using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace BlockRepl.Daemon.Control;

/// <summary>
/// The control service: HTTP/1.1 and JSON on the Unix socket <c>control.sock</c>, for root alone (G14). Kestrel without a
/// host: nothing here needs routing, dependency injection or configuration of its own.
/// </summary>
public sealed class ControlServer : IAsyncDisposable
{
    private readonly KestrelServer _server;
    private readonly ServiceProvider _services;
    private readonly CancellationTokenSource _stopping = new();
    private readonly string _socketPath;

    private ControlServer(string socketPath, ILoggerFactory loggers)
    {
        _socketPath = socketPath;
        _services = new ServiceCollection().BuildServiceProvider();
        var options = new KestrelServerOptions { AddServerHeader = false, ApplicationServices = _services };
        options.Limits.MaxRequestBodySize = 64 * 1024;
        options.Limits.MaxConcurrentConnections = 256;
        options.ListenUnixSocket(socketPath, listen => listen.Protocols = HttpProtocols.Http1);
        var transport = new SocketTransportOptions { CreateBoundListenSocket = Bind };
        _server = new KestrelServer(
            Options.Create(options), new SocketTransportFactory(Options.Create(transport), loggers), loggers);
    }

    /// <summary>
    /// Serves on <paramref name="socketPath"/>, replacing what a dead daemon left there. The caller holds the run directory's lock,
    /// which is what makes the old socket a dead one.
    /// </summary>
    public static async Task<ControlServer> StartAsync(
        string socketPath, IControlTarget target, IEventFeed feed, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var server = new ControlServer(socketPath, loggers);
        try
        {
            var dispatcher = new ControlDispatcher(target, feed, TimeProvider.System);
            var routes = new ControlRoutes(dispatcher, feed, loggers.CreateLogger<ControlRoutes>(), server._stopping.Token);
            await server._server.StartAsync(new Application(routes), cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends waits and event streams, lets running commands finish, closes the socket.</summary>
    public async Task StopAsync(CancellationToken deadline)
    {
        await _stopping.CancelAsync();
        await _server.StopAsync(deadline);
        File.Delete(_socketPath);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _server.Dispose();
        await _services.DisposeAsync();
        _stopping.Dispose();
    }

    /// <summary>
    /// Binds beside the name, restricts, listens, and only then renames: the name goes from the dead socket to the live one in
    /// one step, and never leads to a socket that others may open or that does not answer yet.
    /// </summary>
    private Socket Bind(EndPoint endPoint)
    {
        var beside = _socketPath + ".new";
        File.Delete(beside);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(beside));
            File.SetUnixFileMode(beside, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen();
            File.Move(beside, _socketPath, overwrite: true);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class Application(ControlRoutes routes) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => routes.HandleAsync(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }
}
