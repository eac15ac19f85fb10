using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>What the superblock records about one peer. A slot without a node name is free.</summary>
/// <param name="NodeName">The peer's node name, or empty; at most <see cref="Superblock.NodeNameBytesMax"/> UTF-8 bytes.</param>
/// <param name="BitmapGeneration">The generation since which the slot's bitmap has been collecting (DRBD: bitmap UUID).</param>
/// <param name="Flags">What is known about the peer.</param>
public sealed record PeerSlot(string NodeName, GenerationId BitmapGeneration, PeerSlotFlags Flags)
{
    /// <summary>
    /// When <see cref="BitmapGeneration"/> was set, in milliseconds since 1970 (UTC) by this node's clock; 0 if not known. Format version 2; version 1 has no room for it.
    /// </summary>
    public long BitmapSinceMs { get; init; }

    /// <summary>The same slot without a bitmap generation, and without what belongs to it: the two nodes are equal again.</summary>
    public PeerSlot WithoutGeneration() => this with
    {
        BitmapGeneration = GenerationId.None,
        BitmapSinceMs = 0,
        Flags = Flags & ~(PeerSlotFlags.PrimaryAtSplit | PeerSlotFlags.OneHistory | PeerSlotFlags.TookOver),
    };

    /// <summary>A slot that belongs to nobody. Whoever takes it starts with everything out-of-sync.</summary>
    public static PeerSlot Free { get; } = new("", GenerationId.None, PeerSlotFlags.FullSync);

    /// <summary>Whether the slot belongs to nobody.</summary>
    public bool IsFree => NodeName.Length == 0;
}
