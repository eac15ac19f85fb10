using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Somebody who waits for a local flush.</summary>
/// <param name="Kind">Who it is.</param>
/// <param name="Subject">The client's request, the volume towards a peer, or the action, by kind.</param>
/// <param name="Link">For what belongs to a link: the link.</param>
/// <param name="Number">A barrier's stream position or a checkpoint's number.</param>
internal readonly record struct FlushWaiter(FlushWaiterKind Kind, object Subject, LinkId Link, ulong Number)
{
    /// <summary>No client waits behind this.</summary>
    public bool IsBackground { get; init; }

    public static FlushWaiter ForClient(ChangeRequest request) =>
        new(FlushWaiterKind.Client, request, LinkId.None, 0) { IsBackground = (request.Flags & ChangeFlags.Background) != 0 };

    public static FlushWaiter ForBarrier(Peer peer, Volume volume, SequenceNumber sequence, bool isBackground) =>
        new(FlushWaiterKind.PeerBarrier, volume.Peers[peer.Id.Value], peer.Link, sequence.Value) { IsBackground = isBackground };

    public static FlushWaiter ForCheckpoint(PeerVolume peerVolume, ulong id, bool isSource) => new(
        isSource ? FlushWaiterKind.SourceCheckpoint : FlushWaiterKind.TargetCheckpoint, peerVolume, peerVolume.Peer.Link, id) { IsBackground = true };

    public static FlushWaiter ForAction(Action<DiskResult> action) => new(FlushWaiterKind.Action, action, LinkId.None, 0);
}
