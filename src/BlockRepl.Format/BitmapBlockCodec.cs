using System.Buffers.Binary;
using System.Runtime.InteropServices;
using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>
/// One 4 KiB block of a dirty bitmap on disk: a header of 16 bytes and 32640 bits. A block that is not intact reads as
/// "all dirty", which costs a resync of at most 127.5 MiB and never a difference (G8, G10).
/// </summary>
public static class BitmapBlockCodec
{
    /// <summary>Bytes before the bits.</summary>
    public const int HeaderBytes = 16;

    /// <summary>Bits in a block.</summary>
    public const int BitsPerBlock = (Block.Size - HeaderBytes) * 8;

    /// <summary>Words of 64 bits in a block.</summary>
    public const int WordsPerBlock = BitsPerBlock / 64;

    /// <summary>Version of the format.</summary>
    public const byte Version = 1;

    private const ushort Magic = 0x4D42; // "BM"
    private const int MagicAt = 4;
    private const int SlotAt = 6;
    private const int VersionAt = 7;
    private const int IndexAt = 8;

    /// <summary>Fills <paramref name="destination"/> (4096 bytes) with block <paramref name="index"/> of the bitmap.</summary>
    public static void Encode(ulong deviceId, int peerSlot, long index, DirtyBitmap bitmap, Span<byte> destination)
    {
        Check.That(destination.Length == Block.Size);
        destination.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(destination[MagicAt..], Magic);
        destination[SlotAt] = (byte)peerSlot;
        destination[VersionAt] = Version;
        BinaryPrimitives.WriteInt64LittleEndian(destination[IndexAt..], index);
        ReadOnlySpan<ulong> words = WordsOf(bitmap, index);
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(words).CopyTo(destination[HeaderBytes..]);
        }
        else
        {
            for (int i = 0; i < words.Length; i++)
                BinaryPrimitives.WriteUInt64LittleEndian(destination[(HeaderBytes + i * sizeof(ulong))..], words[i]);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(destination, CrcOf(deviceId, destination));
    }

    /// <summary>
    /// Adds block <paramref name="index"/> to <paramref name="bitmap"/>. Returns false, having set every bit that the block
    /// stands for, if the block is not intact.
    /// </summary>
    public static bool DecodeInto(ReadOnlySpan<byte> source, ulong deviceId, int peerSlot, long index, DirtyBitmap bitmap)
    {
        int firstWord = checked((int)(index * WordsPerBlock));
        int count = WordsOf(bitmap, index).Length;
        if (!IsIntact(source, deviceId, peerSlot, index))
        {
            SetAllOf(bitmap, index);
            return false;
        }

        Span<ulong> words = stackalloc ulong[WordsPerBlock];
        for (int i = 0; i < count; i++)
            words[i] = BinaryPrimitives.ReadUInt64LittleEndian(source[(HeaderBytes + i * sizeof(ulong))..]);
        bitmap.OrWords(firstWord, words[..count]);
        return true;
    }

    /// <summary>Sets every bit that block <paramref name="index"/> stands for: what an unreadable block means.</summary>
    public static void SetAllOf(DirtyBitmap bitmap, long index)
    {
        long first = index * BitsPerBlock;
        bitmap.Set(first, Math.Min(BitsPerBlock, bitmap.BlockCount - first));
    }

    /// <summary>Whether the block carries the right checksum, magic, version, slot and index for its place.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> source, ulong deviceId, int peerSlot, long index) =>
        source.Length == Block.Size
        && (Canary.TornBitmapTaken || BinaryPrimitives.ReadUInt32LittleEndian(source) == CrcOf(deviceId, source))
        && BinaryPrimitives.ReadUInt16LittleEndian(source[MagicAt..]) == Magic
        && source[SlotAt] == peerSlot
        && source[VersionAt] == Version
        && BinaryPrimitives.ReadInt64LittleEndian(source[IndexAt..]) == index;

    /// <summary>How many 4 KiB blocks of bitmap a volume of <paramref name="blockCount"/> blocks takes.</summary>
    public static long BlocksFor(long blockCount) => (blockCount + BitsPerBlock - 1) / BitsPerBlock;

    private static ReadOnlySpan<ulong> WordsOf(DirtyBitmap bitmap, long index)
    {
        int first = checked((int)(index * WordsPerBlock));
        Check.That(first < bitmap.Words.Length, "bitmap block beyond the volume");
        return bitmap.Words.Slice(first, Math.Min(WordsPerBlock, bitmap.Words.Length - first));
    }

    /// <summary>The device id goes into the checksum, so that a block left over from earlier metadata is not intact.</summary>
    private static uint CrcOf(ulong deviceId, ReadOnlySpan<byte> block)
    {
        Span<byte> id = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(id, deviceId);
        uint state = Crc32C.Update(Crc32C.Start, id);
        return Crc32C.Finish(Crc32C.Update(state, block[sizeof(uint)..]));
    }
}
