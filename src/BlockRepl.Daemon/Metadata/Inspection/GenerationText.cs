using System.Text;
using BlockRepl.Core;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>
/// Generation ids in words (<c>show-gi</c>) and as a line for programs (<c>get-gi</c>). What a connection would come to is not told from memory: the decision itself is asked, for each
/// thing that the peer may have done meanwhile.
/// </summary>
/// <param name="superblock">The node's own ids and flags.</param>
/// <param name="outOfSync">Marked blocks, by peer slot.</param>
internal sealed class GenerationText(Superblock superblock, IReadOnlyList<(int Slot, long Blocks)> outOfSync)
{
    private const int HistoryShown = 2;
    private const ulong SomeOtherGeneration = 0xFFFF_FFFF_FFFF_FFF0;

    private string Name => $"{superblock.ResourceName}/{superblock.VolumeName}";

    /// <summary>
    /// A line for each peer, as DRBD's <c>get-gi</c>: <c>RES/VOL@PEER current:bitmap:history:history:</c> and then 0 or 1 for Consistent, WasUpToDate, Outdated, PrimaryIndicator,
    /// CrashedPrimary, CleanShutdown, LostPower, and of the peer FullSync, PeerOutdated, WasConnected, PeerFencing; last the marked blocks.
    /// </summary>
    public string MachineReadable() => string.Join('\n', outOfSync.Select(peer =>
    {
        PeerSlot slot = superblock.Peers[peer.Slot];
        IEnumerable<string> history = Enumerable.Range(0, HistoryShown)
            .Select(i => (i < superblock.History.Length ? superblock.History[i] : GenerationId.None).ToString());
        IEnumerable<string> flags = Bits(
            superblock.Flags, SuperblockFlags.Consistent, SuperblockFlags.WasUpToDate, SuperblockFlags.Outdated, SuperblockFlags.PrimaryIndicator,
            SuperblockFlags.CrashedPrimary, SuperblockFlags.CleanShutdown, SuperblockFlags.LostPower);
        IEnumerable<string> peerFlags = Bits(
            slot.Flags, PeerSlotFlags.FullSync, PeerSlotFlags.PeerOutdated, PeerSlotFlags.WasConnected, PeerSlotFlags.PeerFencing);
        string[] fields = [superblock.Current.ToString(), slot.BitmapGeneration.ToString(), .. history, .. flags, .. peerFlags, $"{peer.Blocks}"];
        return $"{Name}@{slot.NodeName} {string.Join(':', fields)}";
    }));

    /// <summary>What the ids mean now.</summary>
    /// <param name="activeExtents">Extents in the activity log of a disk that no daemon has attached; 0 otherwise.</param>
    /// <param name="connections">What is known of the connection to each peer slot, a sentence each; empty offline.</param>
    public string Explain(int activeExtents, IReadOnlyDictionary<int, string>? connections = null)
    {
        var text = new StringBuilder();
        text.Append($"{Name} on {superblock.NodeName}\n");
        text.Append($"  current   {superblock.Current}  {Data()}\n");
        for (int i = 0; i < superblock.History.Length; i++)
            text.Append($"  history   {superblock.History[i]}  {(i == 0 ? "the generation before" : "older")}\n");
        foreach (string sentence in Past(activeExtents))
            text.Append($"  {sentence}\n");
        foreach ((int slot, long blocks) in outOfSync)
            Peer(text, superblock.Peers[slot], blocks, connections?.GetValueOrDefault(slot));
        return text.ToString().TrimEnd('\n');
    }

    /// <summary>When the node went on without a peer, as ISO 8601 in UTC; null if that is not known or never was.</summary>
    public static string? Since(PeerSlot peer) => peer.BitmapSinceMs == 0
        ? null
        : DateTimeOffset.FromUnixTimeMilliseconds(peer.BitmapSinceMs).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);

    private static IEnumerable<string> Bits<T>(T flags, params T[] order)
        where T : struct, Enum => order.Select(flag => flags.HasFlag(flag) ? "1" : "0");

    private bool Has(SuperblockFlags flag) => (superblock.Flags & flag) != 0;

    private string Data()
    {
        if (!superblock.Current.IsReal)
            return "fresh: this disk has never held data of this volume";
        if (!Has(SuperblockFlags.Consistent))
            return "names the resync that is overwriting this disk, or was interrupted: the data is Inconsistent";
        if (Has(SuperblockFlags.Outdated))
            return "names this node's data, which is Outdated: a newer generation exists";
        return Has(SuperblockFlags.WasUpToDate)
            ? "names this node's data, UpToDate when the node last knew"
            : "names this node's data, which is Consistent; whether it is the newest this node cannot know";
    }

    private IEnumerable<string> Past(int activeExtents)
    {
        if (Has(SuperblockFlags.PrimaryIndicator))
            yield return "This node is Primary; if no daemon has the disk, it died as Primary.";
        if (Has(SuperblockFlags.CrashedPrimary))
            yield return "This node died as Primary, and what was in flight then has not been resynced yet.";
        if (Has(SuperblockFlags.LostPower))
            yield return "Its host lost its page cache, or its disk failed: what was not flushed then may be missing here.";
        if (Has(SuperblockFlags.CleanShutdown))
            yield return "It was taken down in good order: nothing is in flight.";
        if (activeExtents > 0)
            yield return $"{activeExtents} extents are in the activity log: they are marked out-of-sync when the disk is attached.";
    }

    private void Peer(StringBuilder text, PeerSlot peer, long blocks, string? connection)
    {
        text.Append($"  towards {peer.NodeName}\n");
        if (connection is not null)
            text.Append($"    {connection}\n");
        text.Append($"    bitmap  {peer.BitmapGeneration}  {Base(peer)}\n");
        text.Append($"    marked  {blocks} blocks, {blocks * Block.Size} bytes{((peer.Flags & PeerSlotFlags.FullSync) != 0 ? ": everything, because the marks are not complete" : "")}\n");
        text.Append("    If the two connect now, and meanwhile\n");
        GenerationId last = LastKnown(peer);
        if (last.IsReal)
        {
            GenerationFacts quiet = Facts(peer.NodeName, last, GenerationId.None, [.. superblock.History.Where(id => id != last)]);
            Case(text, peer, blocks, $"{peer.NodeName} changed nothing", quiet);
            Case(text, peer, blocks, $"{peer.NodeName} was promoted and written to", quiet with { Current = new(SomeOtherGeneration), Bitmap = last });
        }

        Case(text, peer, blocks, $"{peer.NodeName} got a new, empty disk", Facts(peer.NodeName, GenerationId.JustCreated, GenerationId.None, []) with { DiskState = DiskState.Inconsistent });
        Case(text, peer, blocks, $"{peer.NodeName} was given the data of another volume", Facts(peer.NodeName, new(SomeOtherGeneration), GenerationId.None, []));
    }

    private string Base(PeerSlot peer)
    {
        if (!peer.BitmapGeneration.IsNone)
        {
            string since = Since(peer) is { } time ? $", {time}" : "";
            string role = (peer.Flags & PeerSlotFlags.PrimaryAtSplit) != 0 ? "; it was Primary then" : "";
            return $"this node went on without {peer.NodeName} since this generation{since}, and marks what changes{role}";
        }

        return superblock.Current.IsReal
            ? $"none: nothing was acknowledged here that {peer.NodeName} does not have"
            : "none";
    }

    // Where the peer stood when the two last knew of each other: at the base of the marks, or beside this node.
    private GenerationId LastKnown(PeerSlot peer) => peer.BitmapGeneration.IsNone ? superblock.Current : peer.BitmapGeneration;

    private void Case(StringBuilder text, PeerSlot peer, long blocks, string what, GenerationFacts theirs)
    {
        GenerationFacts mine = Facts(superblock.NodeName, superblock.Current, peer.BitmapGeneration, superblock.History) with
        {
            DiskState = !Has(SuperblockFlags.Consistent) ? DiskState.Inconsistent : Has(SuperblockFlags.Outdated) ? DiskState.Outdated : DiskState.UpToDate,
            DirtyBlocks = blocks,
            CrashedPrimary = Has(SuperblockFlags.CrashedPrimary),
            LostPower = Has(SuperblockFlags.LostPower),
            FullSyncNeeded = (peer.Flags & PeerSlotFlags.FullSync) != 0,
        };
        SyncVerdict verdict = SyncDecision.Decide(mine, theirs);
        string outcome = verdict.Result switch
        {
            SyncResult.None => "nothing is copied",
            SyncResult.SourceBitmap => $"{peer.NodeName} is resynced from here, {blocks * Block.Size} bytes and what it has marked itself",
            SyncResult.SourceFull => $"{peer.NodeName} is resynced from here in full",
            SyncResult.TargetBitmap => $"this node is resynced from {peer.NodeName}, the marked blocks",
            SyncResult.TargetFull => $"this node is resynced from {peer.NodeName} in full",
            SyncResult.SplitBrain => "split brain: neither is overwritten until a person, or a policy, names the one that loses",
            SyncResult.Unrelated => "refused: the data have nothing in common",
            _ => "refused",
        };
        text.Append($"      {what}: {outcome} (rule {verdict.Rule})\n");
    }

    private static GenerationFacts Facts(string node, GenerationId current, GenerationId bitmap, System.Collections.Immutable.ImmutableArray<GenerationId> history) => new()
    {
        Node = node,
        Role = Role.Secondary,
        DiskState = DiskState.UpToDate,
        Current = current,
        Bitmap = bitmap,
        History = history,
        DirtyBlocks = 0,
    };
}
