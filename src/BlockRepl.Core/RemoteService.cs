using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// A Primary's volume whose own disk is gone, or is not current, is served by the peer that is in sync (G11): changes and flushes go to it alone, reads are asked of it in
/// stream order (hard part 10). The server takes a generation of its own first, so that the lost disk never passes for the better copy.
/// </summary>
/// <remarks>
/// <code>
/// disk lost, peer in sync ─► Begin: ReadRequest{generation} ─► answers wait ─► ReadReply: confirmed ─► served
///                                                                                │ connection lost
///     peer back with that generation, and nothing lost ◄── Resume ◄── EIO, or held (on-no-data-accessible)
/// </code>
/// </remarks>
internal sealed class RemoteService(ResourceContext context, Generations generations)
{
    /// <summary>Set by <see cref="ResourceCore"/>: a change whose only copy was at the peer that is gone.</summary>
    public Action<ChangeRequest> OnStranded { get; set; } = _ => { };

    /// <summary>Set by <see cref="ResourceCore"/>: reads are to be held, because data is expected back.</summary>
    public Func<bool> HoldsReads { get; set; } = () => false;

    /// <summary>Set by <see cref="ResourceCore"/>: nobody can serve, and requests are to wait.</summary>
    public Action OnSuspended { get; set; } = () => { };

    /// <summary>Set by <see cref="ResourceCore"/>: the peer will not serve; it mirrors this volume no more.</summary>
    public Action<PeerVolume> OnRefused { get; set; } = _ => { };

    /// <summary>Set by <see cref="ResourceCore"/>: the local disk is given up.</summary>
    public LocalDisk Disk { get; set; } = null!;

    /// <summary>The peer that has everything that this Primary ever answered for this volume, and can give it; null if none is.</summary>
    public PeerVolume? FindServer(Volume volume)
    {
        if (context.Role != Role.Primary || volume.IsServed)
            return volume.Remote.Server;
        foreach (PeerVolume peer in volume.Peers)
        {
            bool isInSync = peer.Peer.IsConnected && peer.IsReplicating && peer.State == ReplicationState.Established
                && peer.PeerDisk == DiskState.UpToDate && peer.Bitmap is { SetCount: 0 } && peer.PeerMarkedBlocks == 0;
            if (isInSync && peer.Peer.Version >= ProtocolVersion.V2)
                return peer;
        }

        return null;
    }

    /// <summary>The local disk is gone. True if a peer takes over; what is under way then waits until it knows so durably.</summary>
    public bool Begin(Volume volume)
    {
        RemoteState remote = volume.Remote;
        if (context.Role != Role.Primary)
            return false;
        PeerVolume? server = FindServer(volume);
        remote.LostAt = context.LastSequence;
        if (server is null)
        {
            if (!volume.IsReturning)
            {
                remote.Generation = GenerationId.None;
                remote.Reason = "the local disk failed while no peer was in sync";
            }

            return false;
        }

        remote.LostGenerations.Add(volume.Superblock!.Current);

        remote.Base = remote.Generation.IsNone ? volume.Superblock.Current : remote.Generation;
        remote.Generation = context.NewGeneration();
        context.Log($"{Name(volume)}: served by {server.Peer.Name} from now on, generation {remote.Generation}");
        Ask(volume, server);
        return true;
    }

    /// <summary>A connection is there: its peer may serve again; what waited for data goes on, with <paramref name="thaw"/>, when all of it is back.</summary>
    public void Connected(Peer peer, Action thaw)
    {
        foreach (Volume volume in context.Volumes)
            Resume(volume.Peers[peer.Id.Value], peer.StateOf(volume));
        if (context.Volumes.TrueForAll(static volume => volume.IsAccessible))
            thaw();
        foreach (Volume volume in context.Volumes)
            AnswerWaiting(volume);
    }

    /// <summary>The handshake with a peer is over: it may serve again what only it has, if it certainly has all of it.</summary>
    private void Resume(PeerVolume peer, VolumeStateInfo? theirs)
    {
        Volume volume = peer.Volume;
        if (context.Role != Role.Primary || volume.IsAccessible || theirs is null)
            return;
        RemoteState remote = volume.Remote;
        remote.Reason = WhyNot(peer, theirs) ?? "";
        context.StateChanged = true;
        if (remote.Reason.Length > 0)
        {
            context.Log($"{Name(volume)}: {peer.Peer.Name} cannot serve: {remote.Reason}");
            return;
        }

        peer.PeerDisk = DiskState.UpToDate;
        context.Log($"{Name(volume)}: served by {peer.Peer.Name} again");
        Ask(volume, peer);
    }

    /// <summary>Why a peer may not serve a volume whose own disk is gone; null if it may.</summary>
    public static string? WhyNot(PeerVolume peer, VolumeStateInfo theirs)
    {
        RemoteState remote = peer.Volume.Remote;
        if (remote.Generation.IsNone)
            return "it was not in sync when the local disk was lost";
        if (peer.Peer.Version < ProtocolVersion.V2)
            return $"it speaks protocol version {(int)peer.Peer.Version}, which cannot";
        if (theirs.DiskState is not (DiskState.UpToDate or DiskState.Consistent))
            return $"its disk is {theirs.DiskState}";
        if (theirs.CurrentGeneration != remote.Generation && (remote.IsConfirmed || theirs.CurrentGeneration != remote.Base))
            return "its data has changed since it served";
        if (remote.MayMiss)
            return "it was lost before it had applied what clients were told of";
        return remote.HadUnstable && (theirs.Flags & VolumeFlags.LostPower) != 0
            ? "it lost power with what clients were told of and had not flushed"
            : null;
    }

    /// <summary>The server mirrors this volume no more: the connection or its disk is gone. Called before what it had not confirmed is forgotten.</summary>
    public void Lost(PeerVolume peer)
    {
        Volume volume = peer.Volume;
        RemoteState remote = volume.Remote;
        if (remote.Server != peer)
            return;
        remote.Server = null;
        remote.HadUnstable = peer.Unstable.Count > 0;
        remote.MayMiss = LacksAnswered(remote, peer.Peer);
        remote.Reason = $"{peer.Peer.Name}, which served it, is gone";
        volume.MirrorsBack = false;
        volume.GenerationPending = false;
        context.StateChanged = true;
        foreach (ChangeRequest request in volume.AwaitingGeneration)
        {
            request.Waits &= ~ChangeWaits.Generation;
            request.IsStranded = true;
            if (request.Waits == ChangeWaits.None)
                OnStranded(request);
        }

        volume.AwaitingGeneration.Clear();
        TakeBackReads(volume, peer.Peer);
        AnswerWaiting(volume);
        if (!volume.IsReturning)
            return;

        // What it lacks stays on record here and there; it is attached again when the peer is back.
        remote.LostGenerations.Add(volume.Superblock!.Current);
        if (volume.Superblock.Current == remote.Generation)
        {
            // The end of its resync is being written, and may yet become durable: it would pass for the equal of a server that goes on under the same generation (I1).
            remote.Base = remote.Generation;
            remote.Generation = context.NewGeneration();
            remote.IsConfirmed = false;
        }

        Disk.GiveUp(volume, "the peer that the disk was resynced from is gone; it is attached again when the peer is back", isLoss: false);
        volume.AttachesAgain = true;
    }

    /// <summary>The peer was asked to serve a volume and lacks, or will when this connection ends, what was answered early.</summary>
    public static bool LacksAnswered(Volume volume, Peer peer)
    {
        RemoteState remote = volume.Remote;
        return !remote.Generation.IsNone && (remote.MayMiss || (remote.Server?.Peer == peer && LacksAnswered(remote, peer)));
    }

    private static bool LacksAnswered(RemoteState remote, Peer peer) => peer.Applied < remote.LostAt && peer.Applied < peer.AnsweredEarly;

    /// <summary>The volume has a current disk of its own again, or its clients are gone: nobody serves it any more.</summary>
    public static void End(Volume volume)
    {
        RemoteState remote = volume.Remote;
        if (remote.Server is not null && !remote.IsConfirmed)
        {
            // What the peer says to that comes to nobody any more, and nothing may wait for it.
            volume.GenerationPending = false;
        }

        remote.Server = null;
        remote.Generation = GenerationId.None;
        remote.Reason = "";
        remote.LostGenerations.Clear();
        volume.IsReturning = false;
        volume.AttachesAgain = false;
        volume.MirrorsBack = false;
        if (volume.Disk == DiskState.UpToDate)
            volume.ForgetOvertaken(DiskState.UpToDate);
    }

    /// <summary>As <see cref="End"/>, for every volume.</summary>
    public static void EndAll(ResourceContext context)
    {
        foreach (Volume volume in context.Volumes)
            End(volume);
    }

    /// <summary>A client's read that the local disk did not serve: there is none to read from, or it failed with <paramref name="local"/>.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="range">What is wanted.</param>
    /// <param name="local">How the local disk failed; Ok if it was not asked.</param>
    /// <param name="serial">Which disk failed.</param>
    /// <param name="cookie">The asker's own object.</param>
    public void ClientRead(Volume volume, ByteRange range, DiskResult local, ulong serial, object cookie)
    {
        bool isCurrent = volume.HasCurrentDisk || Canary.LostDiskServesReads;
        if (isCurrent && local.IsOk)
        {
            // A disk came back while the read was on its way here.
            ReadLocally(volume, cookie);
            return;
        }

        if (isCurrent && serial == volume.DiskSerial)
        {
            if (FindServer(volume) is null)
            {
                // Costing the only copy for a block that cannot be read would help nobody.
                Answer(volume, cookie, local);
                return;
            }

            if (context.Settings.OnIoError == IoErrorPolicy.Detach)
                Disk.Fail(volume, $"read at {range.Offset} failed: {local}");
            else
                context.Log($"{Name(volume)}: read at {range.Offset} failed: {local}; the peer is asked (on-io-error pass-on)");
        }

        volume.Remote.Waiting.Enqueue(new RemoteRead(context.NextTicket(), range, cookie, isCurrent && serial == volume.DiskSerial));
        AnswerWaiting(volume);
    }

    /// <summary>Asks the server for what waits, answers it, or keeps it: whatever the state allows.</summary>
    public void AnswerWaiting(Volume volume)
    {
        RemoteState remote = volume.Remote;
        if (remote.Waiting.Count == 0 || HoldsReads())
            return;
        PeerVolume? server = FindServer(volume);
        bool suspends = server is null && context.Role == Role.Primary && !remote.Generation.IsNone
            && context.Settings.OnNoDataAccessible == NoDataPolicy.SuspendIo;
        if (suspends)
        {
            OnSuspended();
            return;
        }

        while (remote.Waiting.TryPeek(out RemoteRead? read))
        {
            if (server is null)
            {
                remote.Waiting.Dequeue();
                if (volume.HasCurrentDisk && !read.HasFailedHere)
                    ReadLocally(volume, read.Cookie);
                else
                    Answer(volume, read.Cookie, DiskResult.Io);
                continue;
            }

            Peer peer = server.Peer;
            bool hasRoom = peer.ReadsAsked == 0
                || (peer.ReadsAsked < ProtocolLimits.ReadsMax && peer.ReadBytesAsked + read.Range.Length <= ProtocolLimits.ReadWindowBytesMax);
            if (!hasRoom)
                return;
            remote.Waiting.Dequeue();
            if (remote.Asked.Count == 0)
                remote.ProgressMs = context.NowMs;
            remote.Asked.Add(read.Id, read);
            read.Asked = peer;
            peer.ReadsAsked++;
            peer.ReadBytesAsked += read.Range.Length;
            context.Send(peer, new ReadRequestMessage(read.Id, volume.Nr, read.Range, GenerationId.None));
        }
    }

    /// <summary>The peer's answer to a read or to a request to serve. Takes a reference on the buffer. Returns what is wrong with it, or null.</summary>
    public string? Replied(Peer peer, ulong id, DiskResult result, int length, BlockBuffer? buffer, int offset)
    {
        foreach (Volume volume in context.Volumes)
        {
            RemoteState remote = volume.Remote;
            if (remote.Server?.Peer == peer && remote.ServeId == id && !remote.IsConfirmed)
            {
                if (result.IsOk)
                    Confirm(volume);
                else
                    OnRefused(remote.Server);
                return null;
            }

            if (!remote.Asked.TryGetValue(id, out RemoteRead? read))
                continue;

            // It stays asked: the connection is ended for that, and a new one asks again.
            if (result.IsOk && length != read.Range.Length)
                return $"{length} bytes for a read of {read.Range.Length}";
            remote.Asked.Remove(id);
            peer.ReadsAsked--;
            peer.ReadBytesAsked -= read.Range.Length;
            remote.ProgressMs = peer.ProgressMs = context.NowMs;
            ref Effect effect = ref context.Effects.Add(EffectKind.ReadReply);
            effect.Volume = volume.Nr;
            effect.Subject = read.Cookie;
            effect.Result = result;
            effect.Second = result.IsOk ? buffer?.AddReference() : null;
            effect.BufferOffset = offset;
            foreach (Volume other in context.Volumes)
                AnswerWaiting(other);
            return null;
        }

        // An answer to what was given up meanwhile.
        return null;
    }

    /// <summary>Asks a peer to serve the volume under <see cref="RemoteState.Generation"/>. Until it has said that it does, nothing is answered.</summary>
    public void Ask(Volume volume, PeerVolume server)
    {
        RemoteState remote = volume.Remote;
        remote.Server = server;
        remote.IsConfirmed = false;
        remote.HadUnstable = false;
        remote.MayMiss = false;
        remote.Reason = "";
        remote.ServeId = context.NextTicket();
        server.IsReplicating = true;
        volume.GenerationPending = true;

        // From here on the peer may have the generation durably, whether this node hears of it or not.
        volume.Overtaken.UnionWith(remote.LostGenerations);
        context.StateChanged = true;
        context.Send(server.Peer, new ReadRequestMessage(remote.ServeId, volume.Nr, default, remote.Generation));
        foreach (ChangeRequest request in server.Peer.AwaitingAck)
        {
            if (request.Volume == volume.Nr)
                ServedChanges.RelyOn(volume, request, context.NowMs);
        }

        foreach (ChangeRequest flush in server.AwaitingStable)
            ServedChanges.RelyOn(volume, flush, context.NowMs);
        AnswerWaiting(volume);
    }

    private void Confirm(Volume volume)
    {
        volume.Remote.IsConfirmed = true;
        context.StateChanged = true;
        generations.Release(volume);
    }

    /// <summary>A connection is over: the peer will not answer what it was asked for, whether it served the volume or stood in for a disk that could not be read, or is current again by now (G12).</summary>
    public void ConnectionLost(Peer peer)
    {
        foreach (Volume volume in context.Volumes)
        {
            TakeBackReads(volume, peer);
            AnswerWaiting(volume);
        }
    }

    // In their order, before those that were never asked.
    private static void TakeBackReads(Volume volume, Peer peer)
    {
        RemoteState remote = volume.Remote;
        List<RemoteRead> reads = [.. remote.Asked.Values.Where(read => read.Asked == peer).OrderBy(static read => read.Id)];
        if (reads.Count == 0)
            return;
        reads.ForEach(read => remote.Asked.Remove(read.Id));
        reads.AddRange(remote.Waiting);
        remote.Waiting.Clear();
        reads.ForEach(remote.Waiting.Enqueue);
    }

    private void ReadLocally(Volume volume, object cookie)
    {
        ref Effect effect = ref context.Effects.Add(EffectKind.ReadLocally);
        effect.Volume = volume.Nr;
        effect.Subject = cookie;
        effect.Ticket = volume.DiskSerial;
    }

    private void Answer(Volume volume, object cookie, DiskResult result)
    {
        ref Effect effect = ref context.Effects.Add(EffectKind.ReadReply);
        effect.Volume = volume.Nr;
        effect.Subject = cookie;
        effect.Result = result;
    }

    private string Name(Volume volume) => $"{context.Settings.Name}/{volume.Name}";
}
