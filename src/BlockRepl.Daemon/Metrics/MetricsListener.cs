using System.Net;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Metrics;

/// <summary>
/// Where metrics are served; moves when the configuration does. That they cannot be is logged and nothing more: data is served without an observer. One caller at a time.
/// </summary>
internal sealed partial class MetricsListener(string node, MetricsPage page, ILoggerFactory loggers) : IAsyncDisposable
{
    private readonly ILogger _log = loggers.CreateLogger("BlockRepl.Metrics");
    private MetricsServer? _server;

    /// <summary>Where it listens now; null where it does not.</summary>
    public NodeAddress? Address { get; private set; }

    /// <summary>Listens where the configuration says, if it says so.</summary>
    public async Task StartAsync(ClusterConfiguration configuration, CancellationToken cancellationToken)
    {
        if (configuration.MetricsOf(node) is not { } address)
            return;
        if (await ListenAsync(address, cancellationToken) is { } why)
            LogNotServed(_log, address, why);
    }

    /// <summary>Listens where the configuration says from now on. The old address is given up once the new one is taken.</summary>
    public async Task<ControlResult> MoveAsync(ClusterConfiguration next)
    {
        MetricsServer? old = _server;
        NodeAddress? wanted = next.MetricsOf(node);
        if (wanted is null)
        {
            (_server, Address) = (null, null);
        }
        else if (await ListenAsync(wanted, CancellationToken.None) is { } why)
        {
            return new ControlResult(ExitCodes.Failed, $"cannot serve metrics on {wanted}: {why}", "is the address another program's, or another host's?");
        }

        if (old is not null)
            await old.DisposeAsync();
        return ControlResult.Done;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        MetricsServer? old = _server;
        (_server, Address) = (null, null);
        if (old is not null)
            await old.DisposeAsync();
    }

    private async Task<string?> ListenAsync(NodeAddress address, CancellationToken cancellationToken)
    {
        try
        {
            IPEndPoint endpoint = await PeerListener.ResolveAsync(address, cancellationToken);
            _server = await MetricsServer.StartAsync(endpoint, page, loggers, cancellationToken);
            Address = address;
            LogServed(_log, address);
            return null;
        }
        catch (Exception e) when (e is IOException or DaemonStartException)
        {
            return e.Message;
        }
    }

    [LoggerMessage(EventId = 280, Level = LogLevel.Information, Message = "metrics are served on http://{Address}/metrics")]
    private static partial void LogServed(ILogger logger, NodeAddress address);

    [LoggerMessage(EventId = 281, Level = LogLevel.Error, Message = "metrics are not served on {Address}: {Why}; everything else is. Once that is mended: blockrepl adjust all")]
    private static partial void LogNotServed(ILogger logger, NodeAddress address, string why);
}
