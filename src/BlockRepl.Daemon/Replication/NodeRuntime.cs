using BlockRepl.Core;
using BlockRepl.Daemon.Adjust;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Devices;
using BlockRepl.Daemon.Metrics;
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
    private readonly ILogger _log;
    private readonly ResourceList _resources = new();
    private readonly NbdServer _nbd;
    private readonly PeerListener _peers;
    private readonly Adjuster _adjuster;
    private readonly NodeDevices _devices;
    private readonly CancellationTokenSource _stopping = new();
    private Task _resyncOrder = Task.CompletedTask;
    private DaemonContext _context;

    /// <param name="context">The daemon's configuration and surroundings.</param>
    /// <exception cref="DaemonStartException">The configured certificates cannot be used.</exception>
    public NodeRuntime(DaemonContext context)
        : this(context, null)
    {
    }

    /// <summary>As the public one; with another kernel in tests.</summary>
    internal NodeRuntime(DaemonContext context, IKernelNbd? kernel)
    {
        _log = context.Loggers.CreateLogger("BlockRepl.Node");
        Tls = ResourceFactory.LoadTls(context.Configuration, context.Node);
        var options = new NbdServerOptions { OnBug = exception => BugGuard.Die(_log, exception) };
        _nbd = new NbdServer(new VolumeExports(_resources), options, context.Loggers.CreateLogger<NbdServer>());
        _devices = new NodeDevices(context, _nbd, _resources, kernel ?? new KernelNbd(), new DeviceUsers());
        _context = context = context with { Devices = _devices };
        foreach (ResourceConfiguration resource in context.Configuration.Resources)
            _resources.Add(ResourceFactory.Build(context, Tls, resource));
        _peers = new PeerListener(this, context.Node);
        _adjuster = new Adjuster(this);
        Metrics = new MetricsListener(context.Node, new MetricsPage(context.Node, GetStatus, TimeProvider.System), context.Loggers);
    }

    /// <summary>The resources, in configuration order.</summary>
    internal ResourceList Resources => _resources;

    /// <summary>The configuration that is in force, and the surroundings. Replaced by <c>adjust</c>.</summary>
    internal DaemonContext Context
    {
        get => Volatile.Read(ref _context);
        set => Volatile.Write(ref _context, value);
    }

    /// <summary>The certificates in use; null is clear text. Replaced by <c>adjust</c>.</summary>
    internal TlsOptions? Tls { get; set; }

    /// <summary>Where peers dial this node.</summary>
    internal PeerListener Peers => _peers;

    /// <summary>Where metrics are served.</summary>
    internal MetricsListener Metrics { get; }

    /// <inheritdoc/>
    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        // Timers, the control service and dialling share the pool, whose threads beyond this number come only twice a second.
        ThreadPool.SetMinThreads(16, 16);
        _devices.Load();
        _resyncOrder = new ResyncOrder(_resources, _context.Events, _log).RunAsync(_stopping.Token);
        if (_context.BringUp)
        {
            foreach (ManagedResource resource in _resources)
                await BringUpAsync(resource);
        }

        await _peers.StartAsync(_context.Configuration, Tls, cancellationToken);
        try
        {
            _nbd.ListenUnix(_context.RunDirectory.NbdSocket);
            if (_context.Configuration.Nbd is { } nbd)
                _nbd.ListenTcp(await PeerListener.ResolveAsync(nbd.Listen.For(_context.Node), cancellationToken));
        }
        catch (NbdListenException e)
        {
            throw new DaemonStartException(ExitCodes.Failed, e.Message);
        }

        _devices.Start();
        await Metrics.StartAsync(_context.Configuration, cancellationToken);
    }

    /// <inheritdoc/>
    public IReadOnlyList<ResourceStatus> GetStatus() => [.. _resources.Select(resource => resource.Runtime.GetStatus())];

    /// <inheritdoc/>
    public IReadOnlyList<DeviceStatus> GetDevices() => _devices.GetStatus();

    /// <inheritdoc/>
    public string? Stuck()
    {
        _ = GetStatus();
        return _resources.Select(resource => resource.Runtime.Stuck()).FirstOrDefault(stuck => stuck is not null);
    }

    /// <inheritdoc/>
    public async ValueTask<ControlResult> ExecuteAsync(ControlCommand command, CancellationToken cancellationToken)
    {
        if (command.Verb == ControlVerb.Adjust)
            return await _adjuster.RunAsync(command.Resource, command.Options);
        ManagedResource? resource = _resources.Find(command.Resource);
        return resource is null
            ? ControlResult.NotImplemented(command.Verb)
            : await resource.ExecuteAsync(command);
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        // Before the links are closed: from now on nobody reconnects them, and no demotion asks who uses a device.
        await _devices.StopAsync();
        _nbd.Stop("the daemon is stopping");
        await _stopping.CancelAsync();
        await _resyncOrder;
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

        await _peers.DisposeAsync();
        Dispose();

        // Last: nothing about observers may come before data is at rest.
        await Metrics.DisposeAsync();
    }

    /// <summary>Ends every thread without the good order of <see cref="StopAsync"/>.</summary>
    public void Dispose()
    {
        _devices.Dispose();
        _stopping.Cancel();
        foreach (ManagedResource resource in _resources)
            resource.Dispose();
        _nbd.Dispose();
        _adjuster.Dispose();
    }

    /// <inheritdoc/>
    public IPeerChannelHandler OnAccepted(IPeerChannel channel) => new PeerStream(Find);

    /// <inheritdoc/>
    public void OnRefused(string remoteAddress, string why) => LogRefused(_log, remoteAddress, why);

    private async Task BringUpAsync(ManagedResource resource)
    {
        ControlResult result = await resource.UpAsync();
        if (result.ExitCode == ExitCodes.Done)
            return;
        if (resource.FoundBusyDisk)
            throw new DaemonStartException(ExitCodes.Failed, result.Message ?? "", result.Hint);
        LogNotUp(_log, resource.Runtime.Settings.Name, result.Message ?? "", result.Hint ?? "");
    }

    private (ResourceRuntime Runtime, PeerId Peer)? Find(IPeerChannel channel, HelloMessage hello)
    {
        string? why = null;
        ManagedResource? resource = _resources.Find(hello.Resource);
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

    [LoggerMessage(EventId = 220, Level = LogLevel.Error, Message = "{Resource} is not up: {Why}; {Hint}")]
    private static partial void LogNotUp(ILogger logger, string resource, string why, string hint);

    [LoggerMessage(EventId = 221, Level = LogLevel.Warning, Message = "a peer at {Address} was refused: {Why}")]
    private static partial void LogRefused(ILogger logger, string address, string why);

    [LoggerMessage(EventId = 222, Level = LogLevel.Warning, Message = "{Resource} did not stop in good order in time; the next start resyncs what is open")]
    private static partial void LogGaveUp(ILogger logger, string resource);
}
