using BlockRepl.Primitives;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// Where the load writes: regions of 4 MiB, which is an extent of the activity log, spread evenly over the volume. As with a real
/// database most of the volume is cold, and a resync after a crash is far less than the volume.
/// </summary>
internal sealed class HotRegions
{
    /// <summary>Regions.</summary>
    public const int Count = 32;

    /// <summary>Blocks of a region.</summary>
    public const int BlocksEach = (4 << 20) / Block.Size;

    private readonly long _strideBlocks;

    /// <summary>Spreads the regions over a volume, which must have room for twice as many.</summary>
    public HotRegions(long sizeBytes)
    {
        _strideBlocks = sizeBytes / Block.Size / Count / BlocksEach * BlocksEach;
        Check.That(_strideBlocks >= 2 * BlocksEach, "the volume is too small for the load");
    }

    /// <summary>A block beside the regions, for the write that finds out whether the volume is served again.</summary>
    public static long ProbeBlock => BlocksEach;

    /// <summary>First block of a region.</summary>
    public long FirstBlock(int region) => region * _strideBlocks;
}
