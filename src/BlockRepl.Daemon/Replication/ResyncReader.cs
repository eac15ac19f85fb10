using BlockRepl.Core;
using BlockRepl.Device;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Replication;

/// <summary>Reads a piece of a resync from its source's disk: holes by asking the disk, without reading them; zeroes by looking (thin resync).</summary>
internal static class ResyncReader
{
    /// <summary>Fills the chunk. A piece that is no hole after all is cut to a normal one's length first.</summary>
    public static DiskResult Read(ResyncChunk chunk, VolumeDisk? disk)
    {
        if (disk is null)
            return DiskResult.Io;
        ByteRange range = chunk.Range;
        DiskResult result = disk.GetExtent(range.Offset, disk.DataBytes - range.Offset, out DeviceExtent extent);
        if (!result.IsOk)
            return result;
        if (extent.IsHole)
        {
            chunk.HoleEnd = range.Offset + extent.Length;

            // Whole blocks, or all that was asked for.
            long zeroes = extent.Length >= range.Length ? range.Length : extent.Length & -Block.Size;
            if (zeroes > 0)
            {
                chunk.Range = range with { Length = zeroes };
                chunk.IsZeroes = true;
                return DiskResult.Ok;
            }
        }

        range = range with { Length = Math.Min(range.Length, ResyncChunk.DataBytesMax) };
        chunk.Range = range;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(checked((int)range.Length), BufferPurpose.Resync);
        chunk.Buffer = buffer;
        result = disk.Read(range.Offset, buffer.Span);
        chunk.IsZeroes = result.IsOk && !buffer.Span.ContainsAnyExcept((byte)0);
        if (result.IsOk && !chunk.IsZeroes && chunk.WantsHashes)
        {
            chunk.Hashes = BlockHash.Compute(buffer.Span);
            chunk.Buffer = null;
            buffer.Release();
        }

        return result;
    }

    /// <summary>On the target: which blocks of the chunk do not have the source's hashes.</summary>
    public static DiskResult Compare(ResyncChunk chunk, VolumeDisk? disk)
    {
        if (disk is null)
            return DiskResult.Io;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(checked((int)chunk.Range.Length), BufferPurpose.Resync);
        try
        {
            DiskResult result = disk.Read(chunk.Range.Offset, buffer.Span);
            if (result.IsOk)
                chunk.Different = BlockHash.Compare(buffer.Span, chunk.Hashes);
            return result;
        }
        finally
        {
            buffer.Release();
        }
    }
}
