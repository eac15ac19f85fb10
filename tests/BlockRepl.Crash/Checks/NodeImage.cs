using BlockRepl.Crash.Cluster;
using BlockRepl.Crash.Recording;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;

namespace BlockRepl.Crash.Checks;

/// <summary>What is found of one node after a cut, read with the daemon's own reader.</summary>
internal sealed class NodeImage
{
    public NodeImage(History history, int node, long time, Loss loss, Prng chance)
    {
        Node = node;
        Loss = loss;
        Disks = [.. history.Disks[node].Select(log => Rebuilt.Disk(log, time, loss, chance))];
        MetadataOpenResult opened = VolumeMetadataStore.Open(Disks[0], Disks.Length > 1 ? Disks[1] : null, PlannedCluster.IdentityOf(node));
        Refusal = opened.Result.IsOk ? null : $"{opened.Result.Error}: {opened.Result.Message}";
        Metadata = opened.Loaded;
    }

    public int Node { get; }

    public Loss Loss { get; }

    public SparseDisk[] Disks { get; }

    /// <summary>Why the metadata cannot be opened; null if it can.</summary>
    public string? Refusal { get; }

    public LoadedMetadata? Metadata { get; }

    public Superblock Superblock => Metadata!.Superblock;

    public bool IsInconsistent => (Superblock.Flags & SuperblockFlags.Consistent) == 0;

    /// <summary>Whether the node says that a block may differ: by a mark, or by its log.</summary>
    public bool Names(long block)
    {
        var bitmap = Metadata!.Bitmaps[0]!;
        if (block < bitmap.BlockCount && bitmap.IsSet(block))
            return true;
        long extent = block * Primitives.Block.Size / Superblock.ActivityLogExtentBytes;
        return Metadata.ActiveExtents.Contains((uint)extent);
    }

    public IBlockDevice[] CopyDisks() => [.. Disks.Select(disk => disk.Copy())];
}
