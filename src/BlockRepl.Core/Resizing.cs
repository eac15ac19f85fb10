using System.Collections.Immutable;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// A volume grows while it is in use. First every node takes up its own disk's new size and says what it can hold; that changes nothing that is served. Then the size that the smallest can
/// hold is served: durably on the Secondary before the Primary, so that no client ever writes where a node may come back without room. What is new is marked on both nodes before
/// either serves it, unless it is known to be the same.
/// </summary>
/// <remarks>
/// <code>
/// asked node                                   peer
/// grow own disk        ── ResizeRequest ─────► grow own disk
///                      ◄──────── ResizeReply ─ what it can hold, whether the rest reads as zeroes
/// [the Primary second] ── commit{size} ──────► marks, then the size, durable
///                      ◄──────── ResizeReply ─
/// marks, then the size, durable; served
/// </code>
/// Cut anywhere, at most one node serves the new size, without a client's byte in what is new: the next handshake brings the other along (<see cref="Continue"/>).
/// One resize at a time.
/// </remarks>
internal sealed class Resizing(ResourceContext context, Connections connections)
{
    private readonly List<(Volume Volume, ulong Id, PeerVolume? Asker, LinkId Link)> _growing = [];
    private Job? _job;

    private sealed class Job(Volume volume, object? cookie, long wanted, bool assumeEqual, ulong id)
    {
        public Volume Volume { get; } = volume;

        public object? Cookie { get; } = cookie;

        public long Wanted { get; } = wanted;

        public bool AssumeEqual { get; } = assumeEqual;

        public ulong Id { get; } = id;

        public GrownDisk? Here { get; set; }

        /// <summary>What each peer answered; none where there is no peer.</summary>
        public List<ResizeReplyMessage> There { get; } = [];

        public bool IsCommitting { get; set; }

        public long SizeBytes { get; set; }

        public bool IsEqual { get; set; }
    }

    /// <summary>A resize was asked for here and is not over.</summary>
    public bool IsBusy => _job is not null;

    /// <summary>An operator wants a volume to grow: to the size named, or with 0 to all that both disks hold.</summary>
    public void Start(OperatorCommand command, object? cookie)
    {
        Volume volume = context.Volumes[command.Volume!.Value.Value];
        if (WhyNot(volume) is { } refusal)
        {
            context.CompleteCommand(cookie, refusal);
            return;
        }

        _job = new Job(volume, cookie, command.SizeBytes, command.AssumeEqual, context.NextTicket());
        Grow(volume, null, _job.Id);
        foreach (PeerVolume peer in volume.Peers)
            context.Send(peer.Peer, new ResizeRequestMessage(_job.Id, volume.Nr, Commit: false, 0, IsEqual: false));
    }

    /// <summary>The peer asks this node to take up a new size, or to serve one. Returns what is wrong with that, or null.</summary>
    public string? PeerAsks(PeerVolume at, ResizeRequestMessage request)
    {
        Volume volume = at.Volume;
        if (!volume.HasDisk || volume.Disk != DiskState.UpToDate || at.State != ReplicationState.Established)
            Answer(at, request.Id, 0, false, $"{volume.Name} is {volume.Disk} on {context.Settings.NodeName}, replication {at.State}");
        else if (IsBusy)
            Answer(at, request.Id, 0, false, $"a resize was asked for on {context.Settings.NodeName}, too");
        else if (!request.Commit)
            Grow(volume, at, request.Id);
        else if (request.SizeBytes < volume.SizeBytes || request.SizeBytes > volume.CapacityBytes)
            return $"a resize of {volume.Name} to {request.SizeBytes} bytes, which serves {volume.SizeBytes} and holds {volume.CapacityBytes}";
        else
            Serve(volume, request.SizeBytes, request.IsEqual, () => Answer(at, request.Id, volume.SizeBytes, false, ""));
        return null;
    }

    /// <summary>The peer's answer.</summary>
    public void PeerAnswers(PeerVolume at, ResizeReplyMessage reply)
    {
        if (_job is not { } job || job.Id != reply.Id || job.Volume != at.Volume)
            return;
        if (reply.Reason.Length > 0)
        {
            Finish(CommandResult.Refused($"{Name(job.Volume)}: {at.Peer.Name} refuses: {reply.Reason}", $"look at the log on {at.Peer.Name}"));
            return;
        }

        if (!job.IsCommitting)
        {
            job.There.Add(reply);
            CommitIfComplete(job);
        }
        else if (context.Role == Role.Primary || !PeerIsPrimary(job.Volume))
        {
            Serve(job.Volume, job.SizeBytes, job.IsEqual, () => Done(job));
        }
        else
        {
            Done(job);
        }
    }

    /// <summary>The connection is gone: what is half done is continued by the next handshake.</summary>
    public void PeerLost()
    {
        if (_job is { } job)
        {
            Finish(CommandResult.Failed(
                $"{Name(job.Volume)}: the connection was lost before the resize was over",
                "both nodes serve the old size, or the next connection brings the other along; then say it again"));
        }
    }

    /// <summary>A volume's own disk was given up: what was asked of it is answered, and what it brings late means nothing (hard part 17).</summary>
    public void DiskLost(Volume volume)
    {
        foreach ((Volume lost, ulong id, PeerVolume? asker, LinkId link) in _growing)
        {
            if (lost == volume && asker is not null && asker.Peer.Link == link)
                Answer(asker, id, 0, false, "its disk failed");
        }

        _growing.RemoveAll(growing => growing.Volume == volume);
    }

    /// <summary>Called after an event that changed the state: a resize whose disk is gone, here or at the peer, is over.</summary>
    public void Settle()
    {
        if (_job is not { } job)
            return;
        PeerVolume? lost = Array.Find(job.Volume.Peers, static peer => peer.PeerDisk <= DiskState.Failed);
        if (job.Volume.HasDisk && lost is null)
            return;
        Finish(CommandResult.Failed(
            $"{Name(job.Volume)}: {(job.Volume.HasDisk ? $"the disk of {lost!.Peer.Name}" : "its disk")} was lost before the resize was over", "attach it again, and then say it again"));
    }

    /// <summary>The edge has taken up the disk's new size, or has not. False if that disk was given up meanwhile.</summary>
    public bool Grown(Volume volume, ulong id, PeerVolume? asker, LinkId link, GrownDisk grown)
    {
        if (_growing.RemoveAll(growing => growing.Volume == volume && growing.Id == id && growing.Asker == asker) == 0)
            return false;
        if (grown.Result.IsOk && volume.Superblock is { } superblock)
        {
            volume.CapacityBytes = grown.CapacityBytes;
            volume.Superblock = superblock with { DataBytes = grown.CapacityBytes };
            long blocks = Block.CountFor(grown.CapacityBytes);
            foreach (PeerVolume peer in volume.Peers)
            {
                if (peer.Bitmap!.BlockCount < blocks)
                    peer.Bitmap = peer.Bitmap.Grown(blocks);
            }
        }

        if (asker is not null)
        {
            if (asker.Peer.Link == link)
                Answer(asker, id, grown.CapacityBytes, grown.ReadsZero, grown.Refusal);
        }
        else if (_job is { } job && job.Id == id)
        {
            if (!grown.Result.IsOk)
                Finish(CommandResult.Failed($"{Name(volume)}: the disk failed while its metadata was moved: {grown.Result}", "see the log"));
            else if (grown.Refusal.Length > 0)
                Finish(CommandResult.Refused($"{Name(volume)}: {grown.Refusal}", "correct that, and resize again"));
            else
                job.Here = grown;
            if (_job is not null)
                CommitIfComplete(job);
        }

        return true;
    }

    /// <summary>
    /// The handshake found that the peer serves a larger size, which this node's disk can hold: an interrupted resize. Nobody's data is in what is new; it is marked, and served from now on.
    /// </summary>
    public void Continue(Volume volume, long sizeBytes) => Serve(volume, sizeBytes, isEqual: false, () => { });

    private CommandResult? WhyNot(Volume volume)
    {
        string name = Name(volume);
        if (IsBusy)
            return CommandResult.Refused($"{context.Settings.Name}: another resize is under way", "wait for it");
        if (!volume.HasDisk)
            return CommandResult.NoDisk($"{name} has no local disk here ({volume.Disk})", $"bring it up first: blockrepl up {context.Settings.Name}");
        if (volume.Peers.Length > 0 && volume.Disk != DiskState.UpToDate)
            return CommandResult.Refused($"{name} is {volume.Disk} here", "resize when it is UpToDate on both nodes");
        foreach (PeerVolume peer in volume.Peers)
        {
            if (!peer.Peer.IsConnected)
                return CommandResult.Refused($"{name}: {peer.Peer.Name} is not connected", $"every node must take up the new size: blockrepl connect {context.Settings.Name}");
            if (peer.Peer.Version < ProtocolVersion.V2)
                return CommandResult.Refused($"{name}: {peer.Peer.Name} speaks version {(uint)peer.Peer.Version} of the peer protocol, which knows no resize", "upgrade it first");
            if (!peer.IsMatched)
                return CommandResult.Refused($"{name}: {peer.Peer.Name} does not have this volume", $"adjust {peer.Peer.Name} first");
            if (peer.State != ReplicationState.Established || peer.PeerDisk != DiskState.UpToDate)
                return CommandResult.Refused($"{name} is {peer.State}, {peer.PeerDisk} on {peer.Peer.Name}", $"wait until it is in sync: blockrepl wait-sync {context.Settings.Name}");
        }

        return null;
    }

    private void Grow(Volume volume, PeerVolume? asker, ulong id)
    {
        var bitmaps = new DirtyBitmap?[volume.Superblock!.Peers.Length];
        foreach (PeerVolume peer in volume.Peers)
            bitmaps[peer.Slot] = peer.Bitmap;
        ref Effect effect = ref context.Effects.Add(EffectKind.GrowDisk);
        effect.Volume = volume.Nr;
        effect.Ticket = id;
        effect.Subject = new GrowDisk(ImmutableArray.Create(bitmaps), volume.SizeBytes);
        effect.Second = asker;
        effect.Link = asker?.Peer.Link ?? LinkId.None;
        _growing.Add((volume, id, asker, effect.Link));
    }

    private void CommitIfComplete(Job job)
    {
        if (job.Here is not { } here || job.There.Count < job.Volume.Peers.Length)
            return;
        Volume volume = job.Volume;
        long capacity = Math.Min(here.CapacityBytes, job.There.Count == 0 ? long.MaxValue : job.There.Min(static reply => reply.SizeBytes));
        long size = job.Wanted > 0 ? job.Wanted : capacity;
        string held = $"{context.Settings.NodeName} can hold {here.CapacityBytes} bytes"
            + string.Concat(job.There.Select((reply, i) => $", {volume.Peers[i].Peer.Name} {reply.SizeBytes}"));
        if (size > capacity)
        {
            Finish(CommandResult.Refused($"{Name(volume)}: {size} bytes are wanted, but {held}", "grow the smaller disk first; for a file raise its \"size\" in the configuration, and adjust"));
        }
        else if (size < volume.SizeBytes)
        {
            Finish(CommandResult.Refused($"{Name(volume)}: {size} bytes are wanted, {volume.SizeBytes} are served: a volume is never made smaller", "copy it to a smaller one"));
        }
        else if (size == volume.SizeBytes)
        {
            Finish(new CommandResult(0, $"{Name(volume)}: {size} bytes are served already; {held}", ""));
        }
        else
        {
            job.IsCommitting = true;
            job.SizeBytes = size;
            job.IsEqual = job.AssumeEqual || (here.ReadsZero && job.There.TrueForAll(static reply => reply.ReadsZero));
            if (volume.Peers.Length == 0)
                Serve(volume, size, isEqual: true, () => Done(job));
            else if (PeerIsPrimary(volume))
                Serve(volume, size, job.IsEqual, () => SendCommit(job));
            else
                SendCommit(job);
        }
    }

    private void SendCommit(Job job)
    {
        if (_job != job)
            return;
        foreach (PeerVolume peer in job.Volume.Peers)
            context.Send(peer.Peer, new ResizeRequestMessage(job.Id, job.Volume.Nr, Commit: true, job.SizeBytes, job.IsEqual));
    }

    // Marks first, then the size that makes them count: one write, whose parts become durable in that order (G8).
    private void Serve(Volume volume, long sizeBytes, bool isEqual, Action whenDurable)
    {
        long first = isEqual ? Block.CountFor(volume.SizeBytes) : volume.SizeBytes >> Block.Shift;
        long count = Block.CountFor(sizeBytes) - first;
        volume.Superblock = volume.Superblock! with { AgreedBytes = sizeBytes };
        var write = new MetadataWrite
        {
            Volume = volume.Nr,
            Superblock = volume.Superblock,
            OnDurable = () =>
            {
                context.Log($"{Name(volume)}: serves {sizeBytes} bytes, was {volume.SizeBytes}{(isEqual ? "" : "; what is new will be resynced")}");
                volume.SizeBytes = sizeBytes;
                context.StateChanged = true;
                whenDurable();
            },
        };
        foreach (PeerVolume peer in volume.Peers)
        {
            if (isEqual)
                peer.Bitmap!.Clear(first, count);
            else
                peer.Bitmap!.Set(first, count);
            write.Bitmaps.Add(new BitmapRange(peer.Slot, peer.Bitmap!, first, count));
        }

        context.WriteMetadata(volume, write);
    }

    private void Done(Job job)
    {
        if (_job != job)
            return;
        Finish(new CommandResult(0, $"{Name(job.Volume)}: {job.SizeBytes} bytes", ""));

        // The marks become a resync, by the rules that a handshake has.
        if (!job.IsEqual)
        {
            foreach (PeerVolume peer in job.Volume.Peers)
                connections.Renegotiate(peer.Peer, $"{job.Volume.Name} has grown");
        }
    }

    private void Finish(CommandResult result)
    {
        object? cookie = _job!.Cookie;
        _job = null;
        context.CompleteCommand(cookie, result);
    }

    private void Answer(PeerVolume at, ulong id, long sizeBytes, bool readsZero, string reason)
    {
        if (at.Peer.IsConnected)
            context.Send(at.Peer, new ResizeReplyMessage(id, at.Volume.Nr, sizeBytes, readsZero, reason));
    }

    private static bool PeerIsPrimary(Volume volume) => Array.Exists(volume.Peers, static peer => peer.Peer.Role == Role.Primary);

    private string Name(Volume volume) => $"{context.Settings.Name}/{volume.Name}";
}
