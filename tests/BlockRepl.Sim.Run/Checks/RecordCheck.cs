using BlockRepl.Daemon.Metadata;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// G8 by looking: every block that differs between the two disks, or may differ after a power cut of either or both, is on record on the stable metadata of at least one node: marked in its bitmap, in an extent of
/// its activity log, or because all of it is to be resynced. At any moment at all.
/// </summary>
internal static class RecordCheck
{
    /// <summary>Null, or what is not on record.</summary>
    public static string? Check(SimNode alpha, SimNode beta, int volume)
    {
        SimDisk one = alpha.Disks[volume].Data;
        SimDisk other = beta.Disks[volume].Data;
        LoadedMetadata? here = null;
        LoadedMetadata? there = null;
        int i = 0;
        int j = 0;
        while (i < one.Blocks.Count || j < other.Blocks.Count)
        {
            long block = j >= other.Blocks.Count || (i < one.Blocks.Count && one.Blocks[i] <= other.Blocks[j]) ? one.Blocks[i] : other.Blocks[j];
            if (i < one.Blocks.Count && one.Blocks[i] == block)
                i++;
            if (j < other.Blocks.Count && other.Blocks[j] == block)
                j++;
            if (!MayDiffer(one, other, block))
                continue;
            here ??= Load(alpha.Disks[volume]);
            there ??= Load(beta.Disks[volume]);
            if (IsOnRecord(here, block) || IsOnRecord(there, block))
                continue;
            return $"volume {volume}, block {block} may differ and is on record on neither node: alpha has {Describe(one, block)}, beta has {Describe(other, block)}";
        }

        return null;
    }

    private static bool MayDiffer(SimDisk one, SimDisk other, long block)
    {
        byte[] here = one[block];
        byte[] there = other[block];
        return one.IsUnstable(block) || other.IsUnstable(block) || (!ReferenceEquals(here, there) && !here.AsSpan().SequenceEqual(there));
    }

    private static LoadedMetadata Load(NodeDisk disk)
    {
        MetadataOpenResult opened = disk.Open();
        return opened.Loaded ?? throw new ViolationException("G10", $"metadata cannot be read: {disk.Identity}: {opened.Result.Message}");
    }

    private static bool IsOnRecord(LoadedMetadata metadata, long block)
    {
        if ((metadata.Superblock.Peers[0].Flags & PeerSlotFlags.FullSync) != 0 || metadata.Superblock.Current == GenerationId.JustCreated)
            return true;
        if (metadata.Bitmaps[0] is not { } bitmap || (block < bitmap.BlockCount && bitmap.IsSet(block)))
            return true;
        uint extent = (uint)(block >> 10);
        return metadata.ActiveExtents.Contains(extent);
    }

    private static string Describe(SimDisk disk, long block) =>
        $"{Identify(disk[block], block)}{(disk.IsUnstable(block) ? $" over a stable {Identify(disk.StableContent(block), block)}" : "")}";

    private static string Identify(byte[] content, long block) => Sectors.TryIdentify(content.AsSpan(0, Sectors.Bytes), 0, block * Sectors.PerBlock, out ulong id) || id > 0 ? $"#{id}" : "#0";
}
