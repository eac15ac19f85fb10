using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>Reads the local disk for a Primary that has none of its own.</summary>
internal static class PeerReader
{
    /// <summary>Fills the chunk, which owns the buffer from here on.</summary>
    public static DiskResult Read(ResyncChunk chunk, VolumeDisk? disk)
    {
        if (disk is null)
            return DiskResult.Io;
        int length = checked((int)chunk.Range.Length);
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(length, BufferPurpose.PeerSend);
        chunk.Buffer = buffer;
        DiskResult result = disk.Read(chunk.Range.Offset, buffer.Span[..length]);
        chunk.IsZeroes = result.IsOk && !buffer.Span[..length].ContainsAnyExcept((byte)0);
        return result;
    }
}
