using BlockRepl.Core;
using BlockRepl.Device;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Reads a range of a comparison and digests it, on a thread that has nothing else to do: changes of the range wait meanwhile, so it waits for nothing but the disk.
/// Holes are known to read as zeroes and are not read.
/// </summary>
internal static class VerifyReader
{
    /// <summary>Digests the chunk's range.</summary>
    public static DiskResult Digest(VerifyChunk chunk, VolumeDisk? disk)
    {
        if (disk is null)
            return DiskResult.Io;
        ByteRange range = chunk.Range;
        DiskResult result = disk.GetExtent(range.Offset, range.Length, out DeviceExtent extent);
        if (!result.IsOk)
            return result;
        if (extent.IsHole && extent.Length >= range.Length)
        {
            BlockDigest.ComputeZeroes(range.Length, chunk.Digests);
            return DiskResult.Ok;
        }

        BlockBuffer buffer = BlockBufferPool.Shared.Rent(checked((int)range.Length), BufferPurpose.Resync);
        Span<byte> content = buffer.Span[..(int)range.Length];
        result = disk.Read(range.Offset, content);
        if (result.IsOk)
            BlockDigest.Compute(content, chunk.Digests);
        buffer.Release();
        return result;
    }
}
