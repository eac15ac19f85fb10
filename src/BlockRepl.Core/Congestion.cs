using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// Ahead and Behind (DRBD: <c>on-congestion pull-ahead</c>). When too much is on the way to a peer, the Primary stops mirroring all volumes at one place of the stream and marks instead; the
/// peer gets what was sent before, stays there, consistent, and is Outdated. When everything sent has arrived, the connection is negotiated anew, which resyncs the marks.
/// </summary>
/// <remarks>
/// Switching is bounded: the peer stays Behind for a while even if the link drains at once, and twice as long each time it falls behind again soon after it had caught up.
/// While a resync runs the Primary does not pull ahead: the target is Inconsistent then, and only the end of the resync makes it useful (docs/decisions/0031).
/// </remarks>
internal sealed class Congestion(
    ResourceContext context, WritePath writes, Generations generations, Connections connections, ResyncRequests requests)
{
    /// <summary>How long a peer stays Behind at least.</summary>
    public const long HoldMinMs = 2_000;

    /// <summary>And at most, if the link has drained.</summary>
    public const long HoldMaxMs = 60_000;

    private const long ExtentsCheckMs = 250;

    private readonly Link[] _links = [.. context.Peers.Select(static _ => new Link())];

    private sealed class Link
    {
        public long AheadSinceMs { get; set; }

        public long ReturnedMs { get; set; } = long.MinValue / 2;

        public long HoldMs { get; set; } = HoldMinMs;

        /// <summary>The connection is about to end on an operator's word.</summary>
        public bool StaysBehind { get; set; }

        public long ExtentsCheckedMs { get; set; } = long.MinValue / 2;
    }

    /// <summary>When a peer was let fall behind (monotonic ms).</summary>
    public long AheadSinceMs(Peer peer) => _links[peer.Id.Value].AheadSinceMs;

    /// <summary>Pulls ahead, or lets a peer catch up, if it is time to. Called after every event.</summary>
    public void Advance()
    {
        foreach (Peer peer in context.Peers)
        {
            if (peer.Step != HandshakeStep.Done)
                continue;
            if (IsAhead(peer))
                ReturnIfDrained(peer);
            else if (context.Settings.OnCongestion == CongestionPolicy.PullAhead && MayPullAhead(peer) && WhyCongested(peer) is { } why)
                PullAhead(peer, why);
        }
    }

    /// <summary>The Primary stops mirroring: what came before this message is all that this node has. Returns what is wrong with it, or null.</summary>
    public string? FallBehind(Peer peer)
    {
        if (context.Role == Role.Primary || peer.Role != Role.Primary)
            return "only a Primary can pull ahead of a Secondary";
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume peerVolume = volume.Peers[peer.Id.Value];

            // A resync that this node has asked for and that is not granted changes nothing: the Primary refuses it, because it is ahead.
            if (peerVolume.State != ReplicationState.Established && !requests.IsAsking(peerVolume))
                continue;
            peerVolume.State = ReplicationState.Behind;
            peerVolume.IsReplicating = false;
            if (volume.Disk is not (DiskState.UpToDate or DiskState.Consistent))
                continue;

            // It knows of acknowledged writes that it lacks: not to be promoted on this data without force (G6).
            volume.Disk = DiskState.Outdated;
            generations.Persist(volume, volume.Superblock! with { Flags = Generations.FlagsFor(DiskState.Outdated, volume.Superblock.Flags) }, null);
        }

        context.StateChanged = true;
        context.Log($"{context.Settings.Name}@{peer.Name}: Behind: the Primary stops mirroring, because the link is congested or it disconnects; this node keeps an older, consistent state");
        return null;
    }

    /// <summary>
    /// This Primary is about to leave: the peer is left behind at one place of the stream, and will be Outdated (G13). False if it cannot be told, or has nothing that it could go on with.
    /// </summary>
    public bool LeaveBehind(Peer peer)
    {
        if (!peer.IsConnected || peer.Version < ProtocolVersion.V2 || context.Role != Role.Primary || peer.Role == Role.Primary)
            return false;
        bool any = false;
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume at = volume.Peers[peer.Id.Value];
            if (at.HasLostDisk || !at.IsMatched)
                continue;
            bool isSettled = at.State == ReplicationState.Established ? at.IsReplicating && !volume.IsServed && !requests.IsAsking(at) : FenceEvidence.SaysItCannotGoOn(at);
            if (!isSettled)
                return false;
            any |= at.State == ReplicationState.Established;
        }

        if (any)
            PullAhead(peer, "this node disconnects", forGood: true);
        return any;
    }

    private bool IsAhead(Peer peer)
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.Peers[peer.Id.Value].State == ReplicationState.Ahead)
                return true;
        }

        return false;
    }

    // All volumes at once or none: together they are one point of the stream (G4).
    private bool MayPullAhead(Peer peer)
    {
        if (context.Role != Role.Primary || peer.Protocol != WriteProtocol.A || peer.Version < ProtocolVersion.V2)
            return false;
        bool any = false;
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume peerVolume = volume.Peers[peer.Id.Value];
            if (!peerVolume.IsMatched || peerVolume.HasLostDisk)
                continue;
            if (peerVolume.State != ReplicationState.Established || !peerVolume.IsReplicating || volume.IsServed || volume.GenerationPending
                || requests.IsAsking(peerVolume))
            {
                return false;
            }

            any = true;
        }

        return any;
    }

    private string? WhyCongested(Peer peer)
    {
        ResourceSettings settings = context.Settings;
        if (settings.CongestionFillBytes > 0 && peer.Sent.Bytes >= settings.CongestionFillBytes)
            return $"{peer.Sent.Bytes} bytes are on the way (congestion-fill {settings.CongestionFillBytes})";
        Link link = _links[peer.Id.Value];
        if (peer.Sent.Count == 0 || context.NowMs - link.ExtentsCheckedMs < ExtentsCheckMs)
            return null;
        link.ExtentsCheckedMs = context.NowMs;
        foreach (Volume volume in context.Volumes)
        {
            int busy = volume.ActivityLog?.CountBusy(volume.StableEverywhere()) ?? 0;
            if (busy >= settings.CongestionExtents)
                return $"{busy} extents of {volume.Name} wait for it (congestion-extents {settings.CongestionExtents})";
        }

        return null;
    }

    // One event: each change is before this place of the stream and mirrored, or behind it and marked (I2).
    private void PullAhead(Peer peer, string why, bool forGood = false)
    {
        Link link = _links[peer.Id.Value];
        bool isSoonAgain = context.NowMs - link.ReturnedMs < HoldMaxMs;
        link.HoldMs = isSoonAgain ? Math.Min(link.HoldMs * 2, HoldMaxMs) : HoldMinMs;
        link.StaysBehind = forGood;
        link.AheadSinceMs = context.NowMs;
        context.Log($"{context.Settings.Name}@{peer.Name}: Ahead: {why}; what {peer.Name} misses is marked{(forGood ? "" : " until the link has drained")}");
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume peerVolume = volume.Peers[peer.Id.Value];
            if (peerVolume.State != ReplicationState.Established || !peerVolume.IsReplicating)
                continue;
            writes.StopReplicating(peerVolume);

            // The peer is Outdated once it says so: if the message is lost with the link, it may still go on, and must be fenced (G13).
            peerVolume.State = ReplicationState.Ahead;
        }

        context.Send(peer, new BehindMessage());
        context.StateChanged = true;
    }

    private void ReturnIfDrained(Peer peer)
    {
        Link link = _links[peer.Id.Value];
        if (link.StaysBehind || peer.Sent.Count > 0 || context.NowMs - link.AheadSinceMs < link.HoldMs)
            return;
        link.ReturnedMs = context.NowMs;
        connections.Renegotiate(peer, $"the link has drained: {peer.Name} catches up");
    }
}
