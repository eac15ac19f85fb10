using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Makes a range of a resync's target read as zeroes without making it fatter: a hole where the disk has holes; elsewhere only what does not read as zeroes already is written
/// (DRBD: <c>rs-discard-granularity</c>; hard part 13).
/// </summary>
internal static class ThinZeroes
{
    private const int PieceBytes = 1 << 20;

    /// <summary>Works on one volume's disk; the caller excludes everything that overlaps the range.</summary>
    public static DiskResult Write(IBlockDevice disk, ByteRange range)
    {
        if (disk.Capabilities.CanDiscard)
        {
            DiskResult fast = disk.WriteZeroes(range.Offset, range.Length, mayPunchHole: true, fastOnly: true);
            if (fast != DiskResult.NotSupported)
                return fast;
        }

        DiskResult result = DiskResult.Ok;
        for (long offset = range.Offset; offset < range.End && result.IsOk;)
        {
            long length = Math.Min(PieceBytes, range.End - offset);
            result = disk.GetExtent(offset, length, out DeviceExtent extent);
            if (!result.IsOk)
                break;
            if (!extent.IsHole)
                result = ZeroIfNeeded(disk, offset, extent.Length);
            offset += extent.Length;
        }

        return result;
    }

    private static DiskResult ZeroIfNeeded(IBlockDevice disk, long offset, long length)
    {
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(checked((int)length), BufferPurpose.Resync);
        try
        {
            DiskResult result = disk.Read(offset, buffer.Span[..(int)length]);
            if (!result.IsOk || !buffer.Span[..(int)length].ContainsAnyExcept((byte)0))
                return result;
            return disk.WriteZeroes(offset, length, mayPunchHole: true, fastOnly: false);
        }
        finally
        {
            buffer.Release();
        }
    }
}
