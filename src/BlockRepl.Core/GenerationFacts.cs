using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What one node says of one volume in a handshake: all that the decision about a resync may rest on (I10).</summary>
public sealed record GenerationFacts
{
    /// <summary>The node's name; the last tie-breaker.</summary>
    public required string Node { get; init; }

    /// <summary>The node's role now.</summary>
    public required Role Role { get; init; }

    /// <summary>The disk's state now.</summary>
    public required DiskState DiskState { get; init; }

    /// <summary>Current generation.</summary>
    public required GenerationId Current { get; init; }

    /// <summary>Generation that the dirty bitmap towards the other node is based on; none if there was no divergence.</summary>
    public required GenerationId Bitmap { get; init; }

    /// <summary>Earlier generations, newest first.</summary>
    public required ImmutableArray<GenerationId> History { get; init; }

    /// <summary>Marked blocks towards the other node.</summary>
    public required long DirtyBlocks { get; init; }

    /// <summary>The node was Primary when it died, and has not been resynced or promoted since.</summary>
    public bool CrashedPrimary { get; init; }

    /// <summary>The node's host lost its page cache since it last wrote.</summary>
    public bool LostPower { get; init; }

    /// <summary>Marks are not to be trusted: everything must be copied (I11).</summary>
    public bool FullSyncNeeded { get; init; }

    /// <summary>An operator named this node the victim of a split brain.</summary>
    public bool DiscardMyData { get; init; }

    /// <summary>The node was Primary when it lost the other, before it went on alone.</summary>
    public bool WasPrimaryAtSplit { get; init; }

    /// <summary>What the node has and the other lacks belongs to the history that the two had when they were last connected.</summary>
    public bool IsOneHistory { get; init; }

    /// <summary>The node was promoted without the other, with all that it had been sent before stable, and has not met it since: its reign is the later one.</summary>
    public bool TookOver { get; init; }

    /// <summary>The two speak protocol version 1: its table counts, which the other side knows.</summary>
    public bool IsVersion1 { get; init; }
}
