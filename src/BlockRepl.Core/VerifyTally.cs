using System.Collections.Immutable;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>What a comparison has found: the exact number of blocks, and the first ranges (G12: not all of them).</summary>
internal sealed class VerifyTally
{
    private readonly List<ByteRange> _ranges = [];

    public long Blocks { get; private set; }

    public ImmutableArray<ByteRange> Ranges => [.. _ranges];

    public void Add(ByteRange range)
    {
        Blocks += range.BlockCount;
        if (_ranges.Count > 0 && _ranges[^1].End == range.Offset)
            _ranges[^1] = new ByteRange(_ranges[^1].Offset, _ranges[^1].Length + range.Length);
        else if (_ranges.Count < ProtocolLimits.VerifyRangesMax)
            _ranges.Add(range);
    }
}
