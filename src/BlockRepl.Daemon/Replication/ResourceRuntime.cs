using System.Diagnostics;
using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Devices;
using BlockRepl.Daemon.Handlers;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// One resource at work: the gate around its <see cref="ResourceCore"/>, and everything that carries Core's effects out. Whoever brings an event applies it under the
/// gate and carries the effects out itself, outside the gate: an idle system answers a write without a single hand-off.
/// </summary>
/// <remarks>
/// Locks, in the order in which they may be taken: publish lock, gate, a link's queue lock. Nothing blocks on disk, network or client under any of them.
/// </remarks>
internal sealed class ResourceRuntime : IDisposable
{
    // Deep enough for any disk to be busy; the data may be in memory three times, as received, for direct I/O, and rounded up to a buffer's size.
    private const long UnappliedBytesMax = 32L << 20;

    private readonly Lock _gate = new();
    private readonly ResourceCore _core;
    private readonly Executor _executor;
    private readonly StatusPublisher _publisher;
    private readonly PeerLink?[] _links;
    private readonly ResourceTimer _timer;
    private readonly ILogger _log;
    private ulong _lastLink;
    private long _diskTimeoutMs;

    public ResourceRuntime(ResourceConfiguration configuration, ResourceSettings settings, DaemonContext context, Func<PeerId, PeerConnector> connectorFor)
    {
        Configuration = configuration;
        Settings = settings;
        _diskTimeoutMs = settings.DiskTimeoutMs;
        _log = context.Loggers.CreateLogger("BlockRepl.Resource");
        DeviceGuard = new DeviceGuard(_log);
        _core = new ResourceCore(settings, new SystemChance());
        _links = new PeerLink?[settings.Peers.Length];
        Room = new LinkRoom(_links, () => Settings);
        FrameMismatches = [.. settings.Peers.Select(_ => new MismatchCount())];
        Connectors = [.. Enumerable.Range(0, settings.Peers.Length).Select(i => connectorFor(new PeerId(i)))];
        Volumes = new RuntimeVolumeTable([.. configuration.Volumes.Select(volume => new RuntimeVolume(this, volume))]);
        Handlers = new HandlerRunner(() => Configuration, context, outcome => PostWithoutBlocking(
            new CoreEvent { Kind = CoreEventKind.HandlerCompleted, NowMs = NowMs, Subject = outcome }));
        _executor = new Executor(this, _log);
        _publisher = new StatusPublisher(this, context, _gate, _core.Status);
        _timer = new ResourceTimer(this);
    }

    /// <summary>The configuration; replaced by <see cref="Reconfigure"/>.</summary>
    public ResourceConfiguration Configuration { get; private set; }

    /// <summary>What Core knows of it; replaced by <see cref="Reconfigure"/>.</summary>
    public ResourceSettings Settings { get; private set; }

    /// <summary>The volumes, by <see cref="VolumeNr"/>.</summary>
    public RuntimeVolumeTable Volumes { get; }

    /// <summary>Who reaches each peer, by <see cref="PeerId"/>.</summary>
    public PeerConnector[] Connectors { get; }

    /// <summary>Frames from each peer whose checksum did not fit, since the daemon started (G10).</summary>
    public MismatchCount[] FrameMismatches { get; }

    /// <summary>Runs the operator's programs.</summary>
    public HandlerRunner Handlers { get; }

    /// <summary>Begins to attach a volume's disk, and returns at once. Set by who carries commands out.</summary>
    public Action<RuntimeVolume> AttachAgain { get; set; } = _ => { };

    /// <summary>Calls into disks are timed (<c>disk-timeout</c>): only threads of the disks themselves make them.</summary>
    public bool TimesDisks => DiskTimeoutMs > 0;

    /// <summary>How long a call into a disk may take; 0 for ever.</summary>
    public long DiskTimeoutMs => Volatile.Read(ref _diskTimeoutMs);

    /// <summary>Who waits for room on the links.</summary>
    public LinkRoom Room { get; }

    /// <summary>Watches over the kernel devices of the volumes while nobody serves them.</summary>
    public DeviceGuard DeviceGuard { get; }

    /// <summary>What the verb <c>note</c> left beside the status; any thread, and a reference is read and written whole. It ends with the daemon.</summary>
    public string? Note { get; set; }

    /// <summary>Monotonic milliseconds, the only clock that Core knows (hard part 25).</summary>
    public static long NowMs => Environment.TickCount64;

    /// <summary>Milliseconds since 1970 (UTC), for what people read.</summary>
    public static long WallMs => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    /// <summary>What may be shown; each read is made under the gate by <see cref="StatusPublisher"/>.</summary>
    public ResourceStatus GetStatus() => _publisher.Read();

    /// <summary>What makes no progress although nothing outside holds it up, in words; null if all does.</summary>
    public string? Stuck() => _timer.Stuck();

    /// <summary>Tells whoever watches that something changed.</summary>
    public void PublishStatus() => _publisher.Publish();

    /// <summary>Applies one event and carries out what follows from it.</summary>
    public void Post(in CoreEvent e)
    {
        Carrier carrier = Carrier.Rent();
        lock (_gate)
            Apply(in e, carrier);
        Carry(carrier);
        Carrier.Return(carrier);
    }

    /// <summary>As <see cref="Post"/>, for a thread that must not wait for a data disk.</summary>
    public void PostWithoutBlocking(in CoreEvent e)
    {
        Carrier carrier = Carrier.Rent();
        carrier.MustNotBlock = true;
        lock (_gate)
            Apply(in e, carrier);
        Carry(carrier);
        Carrier.Return(carrier);
    }

    /// <summary>Begins a batch of events: takes the gate. Must be followed by <see cref="EndBatch"/> on the same thread.</summary>
    public Carrier BeginBatch()
    {
        Carrier carrier = Carrier.Rent();
        _gate.Enter();
        return carrier;
    }

    /// <summary>Applies one event of a batch.</summary>
    public void ApplyInBatch(in CoreEvent e, Carrier carrier) => Apply(in e, carrier);

    /// <summary>Leaves the gate and carries out what the batch caused.</summary>
    public void EndBatch(Carrier carrier)
    {
        _gate.Exit();
        Carry(carrier);
        Carrier.Return(carrier);
    }

    /// <summary>Runs an operator's command and completes with its answer.</summary>
    public Task<CommandResult> CommandAsync(OperatorCommand command)
    {
        var answer = new TaskCompletionSource<CommandResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(new CoreEvent { Kind = CoreEventKind.Command, NowMs = NowMs, Subject = command, Second = answer });
        return answer.Task;
    }

    /// <summary>A changed configuration counts from now on; volumes that came or went are others' to handle.</summary>
    public void Reconfigure(ResourceConfiguration configuration, ResourceSettings settings)
    {
        Configuration = configuration;
        Settings = settings;
        Volatile.Write(ref _diskTimeoutMs, settings.DiskTimeoutMs);
        foreach (PeerLink? link in _links)
            link?.SetCompression(configuration.Compression);
        Post(new CoreEvent { Kind = CoreEventKind.SettingsChanged, NowMs = NowMs, Subject = settings });
    }

    /// <summary>The configuration has a volume more: it is there, without a disk.</summary>
    public RuntimeVolume AddVolume(VolumeConfiguration configuration)
    {
        var volume = new RuntimeVolume(this, configuration with { Nr = Volumes.NextNr });

        // Core first: whoever reads the status asks it about every volume here. Nothing is asked of a volume without a disk.
        Post(new CoreEvent { Kind = CoreEventKind.VolumeAdded, NowMs = NowMs, Subject = configuration.Name });
        Volumes.Add(volume);
        RememberVolumes();
        return volume;
    }

    /// <summary>A volume that Core has let go.</summary>
    public void RemoveVolume(RuntimeVolume volume)
    {
        Volumes.Remove(volume);
        RememberVolumes();
        PublishStatus();
    }

    /// <summary>A volume's own configuration was replaced: the resource's follows.</summary>
    public void RememberVolumes() => Configuration = Configuration with { Volumes = [.. Volumes.Select(volume => volume.Configuration)] };

    /// <summary>The protocol version of the connection to a peer; null while not connected.</summary>
    public ProtocolVersion? PeerVersion(PeerId peer)
    {
        lock (_gate)
            return _core.Status.PeerVersion(peer);
    }

    /// <summary>A channel to a peer is up: draws its link id and tells Core. Returns the link.</summary>
    public PeerLink LinkUp(PeerId peer, IPeerChannel channel)
    {
        Carrier carrier = Carrier.Rent();
        PeerLink link;
        lock (_gate)
        {
            link = new PeerLink(new LinkId(++_lastLink), peer, channel, new BatchCompressor(Configuration.Compression));

            // In place before Core can send on it; the one that it replaces is closed by Core's own effect, which names it by its id.
            PeerLink? before = _links[peer.Value];
            _links[peer.Value] = link;
            carrier.Replaced = before;
            Apply(new CoreEvent { Kind = CoreEventKind.LinkUp, NowMs = NowMs, Peer = peer, Link = link.Id }, carrier);
        }

        Carry(carrier);
        Carrier.Return(carrier);
        return link;
    }

    /// <summary>The link that Core talks to a peer on, if it is still the one named.</summary>
    public PeerLink? FindLink(PeerId peer, LinkId id) => Room.Find(peer, id);

    /// <summary>Whether a peer has sent more than this node's disks have taken and memory should hold (G12). Also within a batch.</summary>
    public bool IsFull(PeerId peer)
    {
        lock (_gate)
            return _core.Status.UnappliedBytes(peer) > UnappliedBytesMax;
    }

    /// <summary>Reads something of the state under the gate; must be quick.</summary>
    public T Read<T>(Func<ResourceStatusReader, T> read)
    {
        lock (_gate)
            return read(_core.Status);
    }

    /// <summary>The threads of a disk that is about to be attached to a volume.</summary>
    public DiskThreads CreateThreads(RuntimeVolume volume, VolumeDisk disk) => _executor.CreateThreads(volume, disk);

    /// <summary>The queue of a disk that is about to be attached to a volume; null if it has none.</summary>
    public DiskQueue? CreateQueue(RuntimeVolume volume, VolumeDisk disk) => _executor.CreateQueue(volume, disk);

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        Handlers.Dispose();
        foreach (PeerConnector connector in Connectors)
            connector.Stop();
        PeerLink?[] links;
        lock (_gate)
        {
            links = [.. _links];

            // Who waits for the disk on a link's account waits no longer.
            Array.Clear(_links);
        }

        foreach (PeerLink? link in links)
        {
            link?.Channel.Close(ChannelCloseReason.Local, "the daemon is stopping");
            link?.Discard();
        }

        _executor.Dispose();
    }

    // What has an order across carriers gets it here, before the gate is left: sends on a link, metadata writes, the starts and stops of a connector.
    private void Apply(in CoreEvent e, Carrier carrier)
    {
        int before = carrier.Effects.Count;
        try
        {
            _core.Apply(in e, carrier.Effects, (long)Stopwatch.GetElapsedTime(0).TotalMicroseconds);
        }
        catch (Exception bug)
        {
            // Whatever thread brought the event: a state machine that has thrown is not to be trusted with one more byte.
            BugGuard.Die(_log, bug);
            throw;
        }

        Span<Effect> effects = carrier.Effects.Items;
        for (int i = before; i < effects.Length; i++)
        {
            ref Effect effect = ref effects[i];
            switch (effect.Kind)
            {
                case EffectKind.SendChange or EffectKind.SendMessage or EffectKind.SendResyncData or EffectKind.SendAck or EffectKind.SendStable or EffectKind.SendReadReply:
                    Enqueue(in effect, carrier);
                    effect.Kind = EffectKind.None;
                    break;
                case EffectKind.CloseLink:
                    if (FindLink(effect.Peer, effect.Link) is { } closing)
                    {
                        carrier.Closing.Add(closing);
                        _links[effect.Peer.Value] = null;
                    }
                    else if (carrier.Replaced is { } replaced && replaced.Id == effect.Link)
                    {
                        carrier.Closing.Add(replaced);
                    }

                    effect.Kind = EffectKind.None;
                    break;
                case EffectKind.WriteMetadata or EffectKind.GrowDisk or EffectKind.StartConnecting or EffectKind.StopConnecting or EffectKind.RunHandler:
                    // Handed over before the gate is left: two carriers that raced here could write an older superblock over a newer one.
                    _executor.HandOver(in effect);
                    effect.Kind = EffectKind.None;
                    break;
                case EffectKind.DetachDisk:
                    Volumes[effect.Volume.Value].CloseReads();
                    break;
                case EffectKind.OpenReads:
                    Volumes[effect.Volume.Value].OpenReads();
                    effect.Kind = EffectKind.None;
                    break;
                case EffectKind.StateChanged:
                    DeviceGuard.Check(_core.Status, Settings.Peers, Volumes);
                    carrier.StateChanged = true;
                    effect.Kind = EffectKind.None;
                    break;
                default:
                    break;
            }
        }
    }

    private void Enqueue(in Effect effect, Carrier carrier)
    {
        PeerLink? link = FindLink(effect.Peer, effect.Link);
        if (link is null && carrier.Replaced is { } replaced && replaced.Id == effect.Link)
            link = replaced;
        if (link is null)
        {
            FrameBatcher.ReleaseBuffer(in effect);
            return;
        }

        link.Enqueue(in effect);
        if (effect.Kind == EffectKind.SendAck)
            link.Applied.Set();
        if (!carrier.Links.Contains(link))
            carrier.Links.Add(link);
    }

    private void Carry(Carrier carrier)
    {
        while (true)
        {
            // First the wire, then the disk: the peer works while this node writes.
            foreach (PeerLink link in carrier.Links)
                link.Drain();
            carrier.Links.Clear();
            CloseLinks(carrier);
            _executor.Execute(carrier);
            carrier.Effects.Clear();
            if (carrier.Completions.Count == 0)
                break;
            lock (_gate)
            {
                foreach (CoreEvent completion in carrier.Completions)
                    Apply(in completion, carrier);
            }

            carrier.Completions.Clear();
        }

        foreach (BlockRepl.Nbd.INbdReplySink sink in carrier.Sinks)
            sink.Flush();
        carrier.Sinks.Clear();
        if (carrier.StateChanged)
        {
            carrier.StateChanged = false;
            _publisher.Publish();
        }
    }

    private static void CloseLinks(Carrier carrier)
    {
        foreach (PeerLink link in carrier.Closing)
        {
            link.Channel.Close(ChannelCloseReason.Local, "closed by this node");
            link.Discard();
        }

        carrier.Closing.Clear();
        carrier.Replaced = null;
    }
}
