using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>Begins, directs and ends the comparison of a volume (version 2).</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Action">What it is about.</param>
/// <param name="Id">Names one comparison on one connection; drawn by who sent the first message of it.</param>
public sealed record VerifyControlMessage(VolumeNr Nr, VerifyAction Action, ulong Id) : PeerMessage
{
    /// <summary>What is compared; for Ask and Begin.</summary>
    public ByteRange Range { get; init; }

    /// <summary>Blocks that differ are to be written over with the content of the side that sends the ranges; for Ask and Begin.</summary>
    public bool Repair { get; init; }

    /// <summary>Number of a flush; for Flush and Flushed.</summary>
    public ulong Flush { get; init; }

    /// <summary>Up to where everything has been compared, in bytes; for End and Stop.</summary>
    public long Position { get; init; }

    /// <summary>Blocks found different; for End and Stop.</summary>
    public long Different { get; init; }

    /// <summary>Of these, blocks that were repaired.</summary>
    public long Repaired { get; init; }

    /// <summary>The first ranges found different, at most <see cref="ProtocolLimits.VerifyRangesMax"/>.</summary>
    public ImmutableArray<ByteRange> Ranges { get; init; } = [];

    /// <summary>A reason for people: of a refusal, of a stop, or why this side counts in a repair.</summary>
    public string Text { get; init; } = "";

    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.VerifyControl;
}
