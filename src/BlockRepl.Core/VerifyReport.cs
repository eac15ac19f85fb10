using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>How a comparison of a volume with a peer stands, or how the last one ended. Immutable.</summary>
public sealed record VerifyReport
{
    /// <summary>It runs.</summary>
    public bool IsRunning { get; init; }

    /// <summary>It has compared everything and writes over what differs.</summary>
    public bool IsRepairing { get; init; }

    /// <summary>It came to its end. Neither running nor complete: it was stopped.</summary>
    public bool IsComplete { get; init; }

    /// <summary>This node sends the digests: its data counts in a repair, and it keeps the marks.</summary>
    public bool IsSource { get; init; }

    /// <summary>Where it began, in bytes.</summary>
    public long StartBytes { get; init; }

    /// <summary>Where it ends, in bytes.</summary>
    public long StopBytes { get; init; }

    /// <summary>Everything from the start to here has been compared.</summary>
    public long PositionBytes { get; init; }

    /// <summary>Blocks found different twice in a row.</summary>
    public long DifferentBlocks { get; init; }

    /// <summary>Of these, blocks that were written over and are stable on both nodes.</summary>
    public long RepairedBlocks { get; init; }

    /// <summary>The first ranges found different, neighbours joined; there may have been more.</summary>
    public ImmutableArray<ByteRange> Ranges { get; init; } = [];

    /// <summary>When it began (monotonic ms).</summary>
    public long StartedMs { get; init; }

    /// <summary>When it ended (monotonic ms); zero while it runs.</summary>
    public long EndedMs { get; init; }

    /// <summary>Why it stopped early, in words; empty otherwise.</summary>
    public string Detail { get; init; } = "";

    /// <summary>Why this side counts, or the other, in words.</summary>
    public string Evidence { get; init; } = "";
}
