using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>
/// What one node durably knows about one volume: whose it is, its data generations, and what is known of each peer.
/// Immutable; compared by content. docs/disk-format.md has the byte map.
/// </summary>
public sealed record Superblock
{
    /// <summary>Peer slots that the format has room for.</summary>
    public const int PeerSlotsMax = 8;

    /// <summary>History generations kept (DRBD 9 keeps 32 as well).</summary>
    public const int HistoryMax = 32;

    /// <summary>Longest resource or volume name, in UTF-8 bytes.</summary>
    public const int NameBytesMax = 126;

    /// <summary>Longest node name, in UTF-8 bytes.</summary>
    public const int NodeNameBytesMax = 64;

    /// <summary>Bytes that one activity log extent covers.</summary>
    public const int DefaultExtentBytes = 4 << 20;

    /// <summary>Activity log extents unless configured otherwise (DRBD: al-extents 1237).</summary>
    public const int DefaultActivityLogExtents = 1237;

    /// <summary>Fewest activity log extents (DRBD).</summary>
    public const int ActivityLogExtentsMin = 67;

    /// <summary>Most activity log extents (DRBD).</summary>
    public const int ActivityLogExtentsMax = 65534;

    /// <summary>Largest data area: what a bitmap in memory can cover, 256 TiB.</summary>
    public const long DataBytesMax = DirtyBitmap.BlockCountMax * Block.Size;

    /// <summary>The format version that it is written in, <see cref="SuperblockCodec.OldestVersion"/> to <see cref="SuperblockCodec.NewestVersion"/>. What that has no room for is lost on the way to the disk.</summary>
    public uint Version { get; init; } = SuperblockCodec.NewestVersion;

    /// <summary>Name of the resource.</summary>
    public required string ResourceName { get; init; }

    /// <summary>Name of the volume within its resource.</summary>
    public required string VolumeName { get; init; }

    /// <summary>The node whose metadata this is.</summary>
    public required string NodeName { get; init; }

    /// <summary>Random; ties activity log and bitmap blocks to this metadata, so that those of an earlier one never count.</summary>
    public required ulong DeviceId { get; init; }

    /// <summary>Whether the metadata stands behind the data or on its own.</summary>
    public required MetadataKind Kind { get; init; }

    /// <summary>Size of the data area in bytes at the last attach (hard part 16: a smaller disk is refused).</summary>
    public required long DataBytes { get; init; }

    /// <summary>The size that the pair agreed to serve, at most <see cref="DataBytes"/>; 0 before the first agreement.</summary>
    public long AgreedBytes { get; init; }

    /// <summary>Places in the activity log.</summary>
    public int ActivityLogExtents { get; init; } = DefaultActivityLogExtents;

    /// <summary>Bytes per activity log extent; a power of two, at least a block.</summary>
    public int ActivityLogExtentBytes { get; init; } = DefaultExtentBytes;

    /// <summary>The generation of this node's data (DRBD: current UUID).</summary>
    public GenerationId Current { get; init; } = GenerationId.JustCreated;

    /// <summary>Earlier generations, newest first; at most <see cref="HistoryMax"/>, none of them <see cref="GenerationId.None"/>.</summary>
    public ImmutableArray<GenerationId> History { get; init; } = [];

    /// <summary>What this node knew about its own data.</summary>
    public SuperblockFlags Flags { get; init; }

    /// <summary>
    /// The kernel's boot id (/proc/sys/kernel/random/boot_id) at the last attach or promotion: the same id later means that
    /// only the process died and the page cache lived on.
    /// </summary>
    public Guid BootId { get; init; }

    /// <summary>The peer slots; their number is fixed when the metadata is created, 1 to <see cref="PeerSlotsMax"/>.</summary>
    public required ImmutableArray<PeerSlot> Peers { get; init; }

    /// <summary>The slot of <paramref name="nodeName"/>, or -1.</summary>
    public int FindPeer(string nodeName)
    {
        for (int i = 0; i < Peers.Length; i++)
        {
            if (nodeName.Length > 0 && string.Equals(Peers[i].NodeName, nodeName, StringComparison.Ordinal))
                return i;
        }

        return -1;
    }

    /// <summary>The first free slot, or -1.</summary>
    public int FindFreeSlot()
    {
        for (int i = 0; i < Peers.Length; i++)
        {
            if (Peers[i].IsFree)
                return i;
        }

        return -1;
    }

    /// <summary>The same superblock with another record in slot <paramref name="slot"/>.</summary>
    public Superblock WithPeer(int slot, PeerSlot peer) => this with { Peers = Peers.SetItem(slot, peer) };

    /// <summary>
    /// The same superblock with <paramref name="generation"/> as the newest history entry: an entry that is there already
    /// moves to the front, the oldest falls off the end, no generation at all changes nothing.
    /// </summary>
    public Superblock WithHistory(GenerationId generation)
    {
        if (generation.IsNone)
            return this;
        ImmutableArray<GenerationId> rest = History.Remove(generation);
        if (rest.Length == HistoryMax)
            rest = rest.RemoveAt(HistoryMax - 1);
        return this with { History = rest.Insert(0, generation) };
    }

    /// <inheritdoc/>
    public bool Equals(Superblock? other) =>
        other is not null
        && Version == other.Version
        && ResourceName == other.ResourceName && VolumeName == other.VolumeName && NodeName == other.NodeName
        && DeviceId == other.DeviceId && Kind == other.Kind && DataBytes == other.DataBytes && AgreedBytes == other.AgreedBytes
        && ActivityLogExtents == other.ActivityLogExtents && ActivityLogExtentBytes == other.ActivityLogExtentBytes
        && Current == other.Current && Flags == other.Flags && BootId == other.BootId
        && History.AsSpan().SequenceEqual(other.History.AsSpan()) && Peers.AsSpan().SequenceEqual(other.Peers.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(DeviceId, Current, Flags, DataBytes, AgreedBytes, History.Length, BootId);
}
