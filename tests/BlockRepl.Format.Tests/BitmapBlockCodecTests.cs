using BlockRepl.Primitives;

namespace BlockRepl.Format.Tests;

public sealed class BitmapBlockCodecTests
{
    private const ulong DeviceId = 0xBEEF;
    private const long Blocks = (2 * BitmapBlockCodec.BitsPerBlock) + 1001;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Bits_survive(long index)
    {
        DirtyBitmap bitmap = RandomBitmap(7);
        var back = new DirtyBitmap(Blocks);
        Assert.True(BitmapBlockCodec.DecodeInto(Encoded(bitmap, 1, index), DeviceId, 1, index, back));
        long first = index * BitmapBlockCodec.BitsPerBlock;
        long count = Math.Min(BitmapBlockCodec.BitsPerBlock, Blocks - first);
        Assert.Equal(bitmap.CountSet(first, count), back.SetCount);
        for (long block = first; block < first + count; block++)
            Assert.Equal(bitmap.IsSet(block), back.IsSet(block));
    }

    [Fact]
    public void No_single_bit_flip_hides_a_difference()
    {
        var bitmap = new DirtyBitmap(Blocks);
        byte[] bytes = Encoded(bitmap, 0, 0);
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(BitmapBlockCodec.IsIntact(bytes, DeviceId, 0, 0));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.True(BitmapBlockCodec.IsIntact(bytes, DeviceId, 0, 0));
    }

    [Fact]
    public void G8_what_is_not_intact_reads_as_all_out_of_sync()
    {
        DirtyBitmap bitmap = RandomBitmap(9);
        byte[] good = Encoded(bitmap, 1, 2);
        (byte[] Bytes, ulong DeviceId, int Slot, long Index)[] cases =
        [
            (new byte[4096], DeviceId, 1, 2), // never written, or zeroed by accident
            (good[..4095], DeviceId, 1, 2), // truncated
            (good, DeviceId + 1, 1, 2), // left over from earlier metadata
            (good, DeviceId, 0, 2), // another slot's
            (good, DeviceId, 1, 1), // misplaced
        ];
        foreach ((byte[] bytes, ulong deviceId, int slot, long index) in cases)
        {
            var back = new DirtyBitmap(Blocks);
            Assert.False(BitmapBlockCodec.DecodeInto(bytes, deviceId, slot, index, back));
            Assert.Equal(Math.Min(BitmapBlockCodec.BitsPerBlock, Blocks - (index * BitmapBlockCodec.BitsPerBlock)), back.SetCount);
            Assert.Equal(index * BitmapBlockCodec.BitsPerBlock, back.FindNextSet(0));
        }
    }

    private static DirtyBitmap RandomBitmap(int seed)
    {
        var random = new Random(seed);
        var bitmap = new DirtyBitmap(Blocks);
        for (int i = 0; i < 500; i++)
        {
            long first = random.NextInt64(Blocks);
            bitmap.Set(first, Math.Min(random.Next(1, 200), Blocks - first));
        }

        return bitmap;
    }

    private static byte[] Encoded(DirtyBitmap bitmap, int slot, long index)
    {
        byte[] bytes = new byte[Block.Size];
        BitmapBlockCodec.Encode(DeviceId, slot, index, bitmap, bytes);
        return bytes;
    }
}
