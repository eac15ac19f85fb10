using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Somebody who waits for a local flush.</summary>
/// <param name="Kind">Who it is.</param>
/// <param name="Subject">The client's request, the volume towards a peer, or the action, by kind.</param>
/// <param name="Link">For what belongs to a link: the link.</param>
/// <param name="Number">A barrier's stream position or a checkpoint's number.</param>
internal readonly record struct FlushWaiter(FlushWaiterKind Kind, object Subject, LinkId Link, ulong Number)
{
    public static FlushWaiter ForClient(ChangeRequest request) => new(FlushWaiterKind.Client, request, LinkId.None, 0);

    public static FlushWaiter ForBarrier(Peer peer, Volume volume, SequenceNumber sequence) =>
        new(FlushWaiterKind.PeerBarrier, volume.Peers[peer.Id.Value], peer.Link, sequence.Value);

    public static FlushWaiter ForCheckpoint(PeerVolume peerVolume, ulong id, bool isSource) => new(
        isSource ? FlushWaiterKind.SourceCheckpoint : FlushWaiterKind.TargetCheckpoint, peerVolume, peerVolume.Peer.Link, id);

    public static FlushWaiter ForAction(Action<DiskResult> action) => new(FlushWaiterKind.Action, action, LinkId.None, 0);
}
