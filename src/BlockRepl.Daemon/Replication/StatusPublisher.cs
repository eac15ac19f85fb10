using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>Reads a resource's status under its gate and hands it to the event hub, in the order in which it was read.</summary>
internal sealed class StatusPublisher(ResourceRuntime runtime, DaemonContext context, Lock gate, ResourceStatusReader core)
{
    private readonly Lock _publishLock = new();
    private readonly StateAges _ages = new();
    private readonly long _startedMs = ResourceRuntime.NowMs;

    /// <summary>Tells whoever watches.</summary>
    public void Publish()
    {
        lock (_publishLock)
            context.Events.Publish(Read());
    }

    /// <summary>The status now.</summary>
    public ResourceStatus Read()
    {
        lock (gate)
            return Build();
    }

    private ResourceStatus Build()
    {
        string name = runtime.Settings.Name;
        (string? why, string? hint) = WhyNotPromotable(name);
        SuspensionStatus[] suspended =
        [
            .. core.Suspended.Select(reason => new SuspensionStatus(
                reason.Word, Math.Max(0, ResourceRuntime.NowMs - reason.SinceMs) / 1000, reason.Detail.Length > 0 ? reason.Detail : null)),
        ];
        return new ResourceStatus
        {
            Name = name,
            Node = runtime.Settings.NodeName,
            Role = core.Role,
            Suspended = [.. suspended.Select(reason => reason.Reason)],
            SuspendedDetails = suspended,
            AwaitsFence = core.IsAwaitingFence,
            Fencing = runtime.Settings.Fencing switch
            {
                FencingPolicy.ResourceAndStonith => "resource-and-stonith",
                FencingPolicy.ResourceOnly => "resource-only",
                _ => "dont-care",
            },
            Note = runtime.Note,
            Protocol = runtime.Settings.Protocol,
            MayPromote = core.Role != Role.Primary && why is null,
            WhyNotPromotable = why,
            Hint = hint ?? ConnectionHint(name),
            HasFencePeer = runtime.Settings.Handlers.Contains(HandlerKind.FencePeer),
            Handlers = runtime.Handlers.Tally(),
            RunningSeconds = (ResourceRuntime.NowMs - _startedMs) / 1000,
            Volumes = [.. runtime.Volumes.Select(BuildVolume)],
            Connections = [.. runtime.Settings.Peers.Select((_, i) => BuildConnection(new PeerId(i)))],
        };
    }

    private VolumeStatus BuildVolume(RuntimeVolume volume)
    {
        VolumeNr nr = volume.Configuration.Nr;
        return new VolumeStatus
        {
            Name = volume.Configuration.Name,
            DiskState = core.DiskState(nr),
            SizeBytes = core.SizeBytes(nr),
            Io = volume.Disk is { } disk ? Configuration.IoWords.Of(disk.Io) : null,
            ReadBytes = volume.ReadBytes,
            WrittenBytes = volume.WrittenBytes,
            NbdUri = $"nbd+unix:///{volume.Name}?socket={context.RunDirectory.NbdSocket}",
            Clients = volume.Clients.Count,
            AlActiveExtents = core.ActiveExtents(nr),
            AlAppliedExtents = core.AppliedLog(nr).Extents,
            AlAppliedBytes = core.AppliedLog(nr).Bytes,
            WaitingFor = [.. core.WaitingFor(nr), .. volume.SlowCalls(), .. runtime.Room.Waits()],
            ServedBy = core.ServedBy(nr) is { Length: > 0 } server ? server : null,
            MetadataErrors = volume.MetadataDamage.Read().Count,
            MetadataError = volume.MetadataDamage.Read().Last,
            NoData = core.NoDataReason(nr) is { Length: > 0 } reason ? reason : null,
        };
    }

    private ConnectionStatus BuildConnection(PeerId peer)
    {
        PeerConnector connector = runtime.Connectors[peer.Value];
        string detail = core.Detail(peer);
        if (core.ConnectionState(peer) == ConnectionState.Connecting && connector.Detail.Length > 0)
            detail = connector.Detail;
        string name = runtime.Settings.Peers[peer.Value];
        (long queuedBytes, long queuedBytesMax) = runtime.Room.QueueOf(peer);
        return new ConnectionStatus
        {
            Peer = name,
            ConnectionState = core.ConnectionState(peer),
            DisconnectedSeconds = _ages.SecondsUnwell(name, core.ConnectionState(peer) == ConnectionState.Connected, ResourceRuntime.NowMs),
            QueuedBytes = queuedBytes,
            IsCongested = queuedBytes > queuedBytesMax / 5 * 4,
            PeerRole = core.PeerRole(peer),
            ProtocolVersion = core.ProtocolVersion(peer),
            SinceSeconds = Math.Max(0, ResourceRuntime.NowMs - core.StateSinceMs(peer)) / 1000,
            Detail = detail.Length > 0 ? detail : null,
            Fence = core.Fence(peer) is { Length: > 0 } fence ? fence : core.IsPeerFenced(peer) ? "outdated" : null,
            ChecksumErrors = runtime.FrameMismatches[peer.Value].Read().Count,
            ChecksumError = runtime.FrameMismatches[peer.Value].Read().Last,
            Note = core.Disagreement(peer) is { Length: > 0 } note ? note : null,
            Volumes = [.. runtime.Volumes.Select(volume => BuildPeerVolume(volume, peer))],
        };
    }

    private PeerVolumeStatus BuildPeerVolume(RuntimeVolume volume, PeerId peer)
    {
        VolumeNr nr = volume.Configuration.Nr;
        long outOfSync = core.OutOfSyncBlocks(nr, peer);
        ResyncProgress? resync = core.Resync(nr, peer);
        double percent = 100;
        long? eta = null;
        if (resync is { TotalBytes: > 0 } running)
        {
            percent = 100.0 * (running.TotalBytes - running.LeftBytes) / running.TotalBytes;
            if (running.BytesPerSecond > 0)
                eta = (running.LeftBytes + running.BytesPerSecond - 1) / running.BytesPerSecond;
        }
        else if (core.Verify(nr, peer) is { IsRunning: true } compared)
        {
            long behind = compared.PositionBytes - compared.StartBytes;
            long span = Math.Max(1, compared.StopBytes - compared.StartBytes);
            percent = 100.0 * behind / span;
            if (behind > 0)
                eta = (long)((double)(span - behind) * (ResourceRuntime.NowMs - compared.StartedMs) / behind / 1000);
        }
        else if (outOfSync > 0 && core.SizeBytes(nr) > 0)
        {
            percent = Math.Max(0, 100.0 - 100.0 * outOfSync / Block.CountFor(core.SizeBytes(nr)));
        }

        bool isInSync = core.ConnectionState(peer) == ConnectionState.Connected && outOfSync == 0
            && core.ReplicationState(nr, peer) is ReplicationState.Established or ReplicationState.VerifyS or ReplicationState.VerifyT
            && core.DiskState(nr) == DiskState.UpToDate && core.PeerDiskState(nr, peer) == DiskState.UpToDate;
        return new PeerVolumeStatus
        {
            Name = volume.Configuration.Name,
            OutOfSyncSeconds = _ages.SecondsUnwell($"{runtime.Settings.Peers[peer.Value]}/{volume.Configuration.Name}", isInSync, ResourceRuntime.NowMs),
            ReplicationState = core.ReplicationState(nr, peer),
            PeerDiskState = core.PeerDiskState(nr, peer),
            Note = core.IsOnPeer(nr, peer) ? null : $"not replicated: {runtime.Settings.Peers[peer.Value]} does not have it, or has other data for it",
            OutOfSyncBytes = outOfSync * Block.Size,
            SplitBrain = SplitBrainOf(core.Divergence(nr, peer)),
            // Down, so that 100 is not shown before it is so.
            ResyncPercent = Math.Floor(Math.Clamp(percent, 0, 100) * 100) / 100,
            ResyncEtaSeconds = eta,
            ResyncTotalBytes = resync?.TotalBytes ?? 0,
            ResyncDoneBytes = resync is { } done ? done.TotalBytes - done.LeftBytes : 0,
            ResyncBytesPerSecond = resync?.BytesPerSecond ?? 0,
            ResyncEqualBytes = resync?.EqualBytes ?? 0,
            ResyncZeroBytes = resync?.ZeroBytes ?? 0,
            ResyncWaitingFor = resync is { WaitingFor.Length: > 0 } held ? held.WaitingFor : null,
            Verify = core.Verify(nr, peer) is { } verify ? VerifyStatus.From(verify, ResourceRuntime.NowMs, DateTimeOffset.UtcNow) : null,
        };
    }

    private static SplitBrainStatus? SplitBrainOf(Divergence? divergence) => divergence is null ? null : new SplitBrainStatus
    {
        ChangedHereBytes = divergence.ChangedHereBlocks * Block.Size,
        SinceHere = TimeOf(divergence.SinceHereMs),
        ChangedThereBytes = divergence.ChangedThereBlocks * Block.Size,
        SinceThere = TimeOf(divergence.SinceThereMs),
    };

    private static string? TimeOf(long unixMs) => unixMs > 0
        ? DateTimeOffset.FromUnixTimeMilliseconds(unixMs).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture)
        : null;

    private (string? Why, string? Hint) WhyNotPromotable(string name)
    {
        if (core.Role == Role.Primary)
            return (null, null);
        for (int i = 0; i < runtime.Settings.Peers.Length; i++)
        {
            if (core.PeerRole(new PeerId(i)) == Role.Primary)
                return ($"{runtime.Settings.Peers[i]} is Primary", $"demote it there first: blockrepl secondary {name}");
        }

        foreach (RuntimeVolume volume in runtime.Volumes)
        {
            DiskState disk = core.DiskState(volume.Configuration.Nr);
            switch (disk)
            {
                case DiskState.UpToDate:
                    break;
                case DiskState.Diskless or DiskState.Failed when core.WouldServe(volume.Configuration.Nr) is not null:
                    break;
                case DiskState.Diskless or DiskState.Failed or DiskState.Attaching:
                    return ($"{volume.Name} has no local disk here ({disk})", $"bring it up: blockrepl up {name}");
                case DiskState.Consistent:
                    return ($"{volume.Name} is Consistent: whether the peer went on without it is not known", HintForConsistent(name));
                default:
                    return ($"{volume.Name} is {disk} here", $"connect to a node with UpToDate data, or make this data count: blockrepl primary --force {name}");
            }
        }

        for (int i = 0; i < runtime.Settings.Peers.Length; i++)
        {
            if (core.IsFenceNeededToPromote(new PeerId(i)))
                return ($"whether {runtime.Settings.Peers[i]} goes on without this node is not known", HintForConsistent(name));
        }

        return (null, null);
    }

    private string HintForConsistent(string name) => runtime.Settings.Handlers.Contains(HandlerKind.FencePeer)
        ? $"connect to the peer; or let the fence-peer handler find out: blockrepl primary {name}"
        : $"connect to the peer, or make sure that it is down or fenced and then: blockrepl primary --force {name}";

    private string? ConnectionHint(string name)
    {
        for (int i = 0; i < runtime.Settings.Peers.Length; i++)
        {
            var peer = new PeerId(i);
            if (core.ConnectionState(peer) == ConnectionState.StandAlone && core.Detail(peer).Contains("split brain", StringComparison.Ordinal))
                return $"choose the node whose changes are to be lost and say there: blockrepl connect --discard-my-data {name}; then on the other: blockrepl connect {name}";
        }

        return null;
    }
}
