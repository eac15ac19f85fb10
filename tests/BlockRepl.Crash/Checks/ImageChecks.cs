using BlockRepl.Crash.Recording;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Checks;

/// <summary>What must be true of the disks as they are found after a cut, before any daemon has touched them.</summary>
internal sealed class ImageChecks(History history)
{
    /// <summary>Looks at both nodes, cut at moments that fit.</summary>
    /// <exception cref="CrashFinding">A promise is broken.</exception>
    public void Check(NodeImage alpha, NodeImage beta, CutTimes cut)
    {
        foreach (NodeImage image in new[] { alpha, beta })
        {
            if (image.Refusal is { } refusal)
                throw new CrashFinding("G10", $"{Name(image.Node)}'s metadata does not open: {refusal}");
            CheckHeld(image, cut);
        }

        CheckOnRecord(alpha, beta, cut);
        CheckGenerations(alpha, beta, cut);
    }

    // G1, G2, G3: what this node was to hold is there.
    private void CheckHeld(NodeImage image, CutTimes cut)
    {
        bool isAll = image.Loss == Loss.Process;
        Dictionary<long, int> oldest = history.Ledger.Oldest(cut, image.Node, isAll);
        foreach ((long block, List<BlockVersion> versions) in history.Ledger.Blocks)
        {
            if (history.Ledger.IsDamaged(block, cut))
                continue;
            if (BlockContent.Judge(image.Disks[0].PageAt(block), block, versions, oldest[block], cut) is { } wrong)
                throw new CrashFinding(isAll ? "G2" : "G1, G3", $"{Name(image.Node)}: block {block} must hold version {oldest[block]} or a newer one; {wrong}");
        }
    }

    // G8, hard parts 1, 2 and 5: what differs is marked, or in a log.
    private void CheckOnRecord(NodeImage alpha, NodeImage beta, CutTimes cut)
    {
        foreach (long block in history.Ledger.Blocks.Keys)
        {
            if (IsAlike(alpha, beta, block) || alpha.Names(block) || beta.Names(block) || history.Ledger.IsDamaged(block, cut))
                continue;
            throw new CrashFinding("G8", $"block {block} differs, and neither a mark nor an active extent of either node says so");
        }
    }

    // I9: a node that could be taken for equal lacks nothing that clients were told of.
    private void CheckGenerations(NodeImage alpha, NodeImage beta, CutTimes cut)
    {
        if (alpha.Superblock.Current != beta.Superblock.Current)
            return;
        Dictionary<long, int> oldest = history.Ledger.Oldest(cut, null, acknowledgedIsEnough: true);
        foreach (NodeImage image in new[] { alpha, beta })
        {
            // A lost page cache is told by the boot id, and a resync's target by its flags. A node whose disk was taken away in order says so itself.
            if (image.Loss != Loss.Process || image.IsInconsistent || (image.Superblock.Flags & SuperblockFlags.Outdated) != 0)
                continue;
            foreach ((long block, List<BlockVersion> versions) in history.Ledger.Blocks)
            {
                if (!history.Ledger.IsDamaged(block, cut)
                    && BlockContent.Judge(image.Disks[0].PageAt(block), block, versions, oldest[block], cut) is { } wrong)
                {
                    throw new CrashFinding("I9", $"{Name(image.Node)} has the same generation as its peer, and lacks version {oldest[block]} of block {block}, which was acknowledged: {wrong}");
                }
            }
        }
    }

    public static string Name(int node) => node == 0 ? "alpha" : "beta";

    private static bool IsAlike(NodeImage alpha, NodeImage beta, long block)
    {
        byte[]? one = alpha.Disks[0].PageAt(block);
        byte[]? two = beta.Disks[0].PageAt(block);
        return ReferenceEquals(one, two) || (one ?? Zeroes).AsSpan().SequenceEqual(two ?? Zeroes);
    }

    private static readonly byte[] Zeroes = new byte[Block.Size];
}
