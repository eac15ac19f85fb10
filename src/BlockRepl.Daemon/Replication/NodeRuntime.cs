using System.Net;
using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Protocol;
using BlockRepl.Rpc;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Everything that a node runs: its resources, the NBD server in front of them, and the server that peers dial. Start, commands and stop may come from any thread.
/// </summary>
public sealed partial class NodeRuntime : IControlTarget, IPeerAcceptor, IDisposable
{
    private readonly DaemonContext _context;
    private readonly ILogger _log;
    private readonly TlsOptions? _tls;
    private readonly List<ManagedResource> _resources = [];
    private readonly NbdServer _nbd;
    private PeerServer? _peers;

    /// <param name="context">The daemon's configuration and surroundings.</param>
    /// <exception cref="DaemonStartException">The configured certificates cannot be used.</exception>
    public NodeRuntime(DaemonContext context)
    {
        _context = context;
        _log = context.Loggers.CreateLogger("BlockRepl.Node");
        _tls = LoadTls(context);
        foreach (ResourceConfiguration resource in context.Configuration.Resources)
            _resources.Add(new ManagedResource(Build(resource), context));
        var options = new NbdServerOptions { OnBug = exception => BugGuard.Die(_log, exception) };
        _nbd = new NbdServer(new VolumeExports(_resources), options, context.Loggers.CreateLogger<NbdServer>());
    }

    /// <summary>The resources, in configuration order.</summary>
    internal IReadOnlyList<ManagedResource> Resources => _resources;

    /// <inheritdoc/>
    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        // Timers, the control service and dialling share the pool, whose threads beyond this number come only twice a second.
        ThreadPool.SetMinThreads(16, 16);
        if (_context.BringUp)
        {
            foreach (ManagedResource resource in _resources)
                await BringUpAsync(resource);
        }

        await ListenForPeersAsync(cancellationToken);
        try
        {
            _nbd.ListenUnix(_context.RunDirectory.NbdSocket);
            if (_context.Configuration.Nbd is { } nbd)
                _nbd.ListenTcp(await ResolveAsync(nbd.Listen.For(_context.Node), cancellationToken));
        }
        catch (NbdListenException e)
        {
            throw new DaemonStartException(ExitCodes.Failed, e.Message);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<ResourceStatus> GetStatus() => [.. _resources.Select(resource => resource.Runtime.GetStatus())];

    /// <inheritdoc/>
    public async ValueTask<ControlResult> ExecuteAsync(ControlCommand command, CancellationToken cancellationToken)
    {
        ManagedResource? resource = _resources.Find(candidate => candidate.Runtime.Settings.Name == command.Resource);
        return resource is null
            ? ControlResult.NotImplemented(command.Verb)
            : await resource.ExecuteAsync(command);
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        _nbd.Stop("the daemon is stopping");
        foreach (ManagedResource resource in _resources)
        {
            try
            {
                await resource.StopAsync().WaitAsync(deadline);
            }
            catch (OperationCanceledException)
            {
                LogGaveUp(_log, resource.Runtime.Settings.Name);
            }
        }

        if (_peers is not null)
            await _peers.DisposeAsync();
        Dispose();
    }

    /// <summary>Ends every thread without the good order of <see cref="StopAsync"/>.</summary>
    public void Dispose()
    {
        foreach (ManagedResource resource in _resources)
            resource.Dispose();
        _nbd.Dispose();
    }

    /// <inheritdoc/>
    public IPeerChannelHandler OnAccepted(IPeerChannel channel) => new PeerStream(Find);

    /// <inheritdoc/>
    public void OnRefused(string remoteAddress, string why) => LogRefused(_log, remoteAddress, why);

    private static TlsOptions? LoadTls(DaemonContext context)
    {
        if (context.Configuration.Tls is not { } files)
            return null;
        try
        {
            return TlsOptions.Load(
                files.Ca?.For(context.Node) ?? throw new DaemonStartException(ExitCodes.ConfigurationOrDaemon, "tls: no \"ca\" is given"),
                files.Cert.For(context.Node),
                files.Key.For(context.Node));
        }
        catch (TlsFileException e)
        {
            throw new DaemonStartException(ExitCodes.ConfigurationOrDaemon, e.Message, "make the node's certificate: blockrepl certs node NAME --dir DIR");
        }
    }

    private ResourceRuntime Build(ResourceConfiguration resource)
    {
        NodeConfiguration[] peers = [.. _context.Configuration.PeersOf(_context.Node)];
        NetworkOptions network = resource.Network;
        var settings = new ResourceSettings
        {
            Name = resource.Name,
            NodeName = _context.Node,
            Volumes = [.. resource.Volumes.Select(volume => volume.Name)],
            Peers = [.. peers.Select(peer => peer.Name)],
            Protocol = resource.Protocol,
            Fencing = resource.Fencing switch
            {
                Configuration.FencingPolicy.DontCare => Core.FencingPolicy.DontCare,
                Configuration.FencingPolicy.ResourceOnly => Core.FencingPolicy.ResourceOnly,
                _ => Core.FencingPolicy.ResourceAndStonith,
            },
            SplitBrain = resource.SplitBrain.Policies,
            RoleConflict = resource.SplitBrain.RoleConflict,
            Handlers = resource.Handlers.Configured,
            TimeoutMs = (long)network.Timeout.TotalMilliseconds,
            KoCount = network.KoCount,
            PingIntervalMs = (long)network.PingInterval.TotalMilliseconds,
            PingTimeoutMs = (long)network.PingTimeout.TotalMilliseconds,
            ConnectIntervalMs = (long)network.ConnectInterval.TotalMilliseconds,
            EpochWritesMax = network.MaxEpochSize,
            ResyncImpactPercent = resource.Resync.ImpactPercent,
            ResyncChecksums = resource.Resync.ComparesChecksums
                ? resource.Resync.ChecksumsAfterCrashOnly ? ResyncChecksums.AfterCrash : ResyncChecksums.Always
                : ResyncChecksums.Never,
        };
        ILogger log = _context.Loggers.CreateLogger("BlockRepl.Connection");
        PeerConnector Connector(PeerId id)
        {
            NodeConfiguration peer = peers[id.Value];
            return new PeerConnector(_context.Node, peer.Name, EndpointOf(peer.Address), _tls, network.ConnectInterval, log);
        }

        var runtime = new ResourceRuntime(resource, settings, _context, Connector);
        for (int i = 0; i < peers.Length; i++)
            runtime.Connectors[i].Owner = (runtime, new PeerId(i));
        return runtime;
    }

    private async Task BringUpAsync(ManagedResource resource)
    {
        ControlResult result = await resource.UpAsync();
        if (result.ExitCode == ExitCodes.Done)
            return;
        if (resource.FoundBusyDisk)
            throw new DaemonStartException(ExitCodes.Failed, result.Message ?? "", result.Hint);
        LogNotUp(_log, resource.Runtime.Settings.Name, result.Message ?? "", result.Hint ?? "");
    }

    private async Task ListenForPeersAsync(CancellationToken cancellationToken)
    {
        if (!_context.Configuration.PeersOf(_context.Node).Any())
            return;
        NodeAddress own = _context.Configuration.FindNode(_context.Node)!.Address;
        try
        {
            var options = new PeerServerOptions
            {
                Endpoint = await ResolveAsync(own, cancellationToken),
                Tls = _tls,
                IsPeerAllowed = name => _context.Configuration.PeersOf(_context.Node).Any(peer => peer.Name == name),
            };
            _peers = PeerServer.Start(options, this);
        }
        catch (IOException e)
        {
            throw new DaemonStartException(ExitCodes.Failed, $"cannot listen for peers on {own}: {e.Message}", "is another daemon running, or is the address another host's?");
        }
    }

    private (ResourceRuntime Runtime, PeerId Peer)? Find(IPeerChannel channel, HelloMessage hello)
    {
        string? why = null;
        ManagedResource? resource = _resources.Find(candidate => candidate.Runtime.Settings.Name == hello.Resource);
        int peer = resource?.Runtime.Settings.Peers.IndexOf(hello.Node) ?? -1;
        if (channel.AuthenticatedPeer is { } proved && proved != hello.Node)
            why = $"it says that it is {hello.Node}, its certificate says {proved}";
        else if (resource is null)
            why = $"resource {hello.Resource} is not configured here";
        else if (peer < 0)
            why = $"node {hello.Node} is not configured here";
        if (why is null)
            return (resource!.Runtime, new PeerId(peer));
        LogRefused(_log, channel.RemoteAddress, why);
        byte[] goodbye = PeerMessageCodec.Encode(new GoodbyeMessage(GoodbyeReason.Refused, $"{_context.Node}: {why}"));
        channel.Send(goodbye, default);
        channel.Close(ChannelCloseReason.ProtocolError, why);
        return null;
    }

    private static EndPoint EndpointOf(NodeAddress address) => IPAddress.TryParse(address.Host, out IPAddress? ip)
        ? new IPEndPoint(ip, address.Port)
        : new DnsEndPoint(address.Host, address.Port);

    private static async Task<IPEndPoint> ResolveAsync(NodeAddress address, CancellationToken cancellationToken)
    {
        if (EndpointOf(address) is IPEndPoint ip)
            return ip;
        try
        {
            IPAddress[] found = await Dns.GetHostAddressesAsync(address.Host, cancellationToken);
            return new IPEndPoint(found[0], address.Port);
        }
        catch (System.Net.Sockets.SocketException e)
        {
            throw new DaemonStartException(ExitCodes.ConfigurationOrDaemon, $"cannot look up {address.Host}: {e.Message}");
        }
    }

    [LoggerMessage(EventId = 220, Level = LogLevel.Error, Message = "{Resource} is not up: {Why}; {Hint}")]
    private static partial void LogNotUp(ILogger logger, string resource, string why, string hint);

    [LoggerMessage(EventId = 221, Level = LogLevel.Warning, Message = "a peer at {Address} was refused: {Why}")]
    private static partial void LogRefused(ILogger logger, string address, string why);

    [LoggerMessage(EventId = 222, Level = LogLevel.Warning, Message = "{Resource} did not stop in good order in time; the next start resyncs what is open")]
    private static partial void LogGaveUp(ILogger logger, string resource);
}
