using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>CRC-32C of a block that carries its own CRC: the four bytes of the field count as zero.</summary>
internal static class FormatCrc
{
    public static uint Compute(ReadOnlySpan<byte> block, int crcAt)
    {
        ReadOnlySpan<byte> zero = stackalloc byte[sizeof(uint)];
        uint state = Crc32C.Update(Crc32C.Start, block[..crcAt]);
        state = Crc32C.Update(state, zero);
        return Crc32C.Finish(Crc32C.Update(state, block[(crcAt + sizeof(uint))..]));
    }
}
