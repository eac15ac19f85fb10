using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>Reads the bitmap of a peer slot, block by block.</summary>
internal sealed class BitmapInspector(MetadataSource device, List<MetadataReport.Problem> problems)
{
    /// <summary>What the slot says; a block that is not intact counts as all out-of-sync, as an attach counts it (G8).</summary>
    public MetadataReport.Peer Read(Superblock superblock, MetadataLayout layout, int slot)
    {
        PeerSlot peer = superblock.Peers[slot];
        long blocks = BitmapBlockCodec.BlocksFor(layout.DataBlocks);
        if ((peer.Flags & PeerSlotFlags.FullSync) != 0)
        {
            // The bitmap is not read then, and may never have been written.
            return Describe(peer, slot, blocks, [], layout, layout.DataBlocks, [new MetadataReport.Run(0, layout.DataBlocks)]);
        }

        var bitmap = new DirtyBitmap(layout.DataBlocks);
        List<long> damaged = [];
        byte[] bytes = new byte[Block.Size];
        for (long index = 0; index < blocks; index++)
        {
            DiskResult result = device.Read(layout.BitmapBlockOffset(slot, index), bytes);
            if (!result.IsOk)
                BitmapBlockCodec.SetAllOf(bitmap, index);
            else if (BitmapBlockCodec.DecodeInto(bytes, superblock.DeviceId, slot, index, bitmap))
                continue;
            damaged.Add(index);
            long first = index * BitmapBlockCodec.BitsPerBlock;
            long last = Math.Min(first + BitmapBlockCodec.BitsPerBlock, layout.DataBlocks) - 1;
            problems.Add(new MetadataReport.Problem(
                true,
                $"bitmap block {index} of peer {peer.NodeName} at byte {layout.BitmapBlockOffset(slot, index)}",
                $"{(result.IsOk ? "not intact" : $"unreadable: {result}")}; it reads as out-of-sync, blocks {first} to {last} of the volume"));
        }

        List<MetadataReport.Run> runs = [];
        for (long first = bitmap.FindNextSet(0); first >= 0;)
        {
            long end = bitmap.FindNextClear(first);
            if (end < 0)
                end = bitmap.BlockCount;
            runs.Add(new MetadataReport.Run(first, end - first));
            first = end < bitmap.BlockCount ? bitmap.FindNextSet(end) : -1;
        }

        return Describe(peer, slot, blocks, damaged, layout, bitmap.SetCount, runs);
    }

    private static MetadataReport.Peer Describe(
        PeerSlot peer, int slot, long blocks, List<long> damaged, MetadataLayout layout, long outOfSync, List<MetadataReport.Run> runs) => new(
        slot,
        peer.NodeName,
        peer.BitmapGeneration.ToString(),
        GenerationText.Since(peer),
        MetadataInspector.Names(peer.Flags),
        blocks,
        damaged,
        outOfSync,
        Math.Min(outOfSync * Block.Size, layout.DataBytes),
        runs);
}
