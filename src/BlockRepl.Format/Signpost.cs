using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>
/// Stands where the superblocks of a grown disk will be while its internal metadata is being moved there: says for which size of the disk the metadata that counts was made. It is
/// written before anything else of the new place, and overwritten by the superblock once the new place is complete. docs/disk-format.md, "A disk that grows".
/// </summary>
/// <param name="DeviceId">Of the metadata that it points to.</param>
/// <param name="DiskBytes">The disk's size before it grew, rounded down to a block.</param>
public readonly record struct Signpost(ulong DeviceId, long DiskBytes)
{
    private const ulong Magic = 0x564F4D5F4B434C42; // "BLCK_MOV", little-endian
    private const uint Version = 1;
    private const int CrcAt = 12;
    private const int DeviceIdAt = 16;
    private const int DiskBytesAt = 24;

    /// <summary>Fills one block.</summary>
    public void Encode(Span<byte> block)
    {
        Check.That(block.Length == Block.Size);
        block.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(block, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(block[8..], Version);
        BinaryPrimitives.WriteUInt64LittleEndian(block[DeviceIdAt..], DeviceId);
        BinaryPrimitives.WriteInt64LittleEndian(block[DiskBytesAt..], DiskBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(block[CrcAt..], Crc32C.Compute(block));
    }

    /// <summary>Reads one block; null if it is no intact signpost of a version that this program knows.</summary>
    public static Signpost? Decode(ReadOnlySpan<byte> block)
    {
        if (block.Length != Block.Size || BinaryPrimitives.ReadUInt64LittleEndian(block) != Magic || BinaryPrimitives.ReadUInt32LittleEndian(block[8..]) != Version)
            return null;
        Span<byte> copy = stackalloc byte[Block.Size];
        block.CopyTo(copy);
        copy.Slice(CrcAt, sizeof(uint)).Clear();
        if (Crc32C.Compute(copy) != BinaryPrimitives.ReadUInt32LittleEndian(block[CrcAt..]))
            return null;
        long disk = BinaryPrimitives.ReadInt64LittleEndian(block[DiskBytesAt..]);
        return disk > 0 && disk % Block.Size == 0 ? new Signpost(BinaryPrimitives.ReadUInt64LittleEndian(block[DeviceIdAt..]), disk) : null;
    }
}
