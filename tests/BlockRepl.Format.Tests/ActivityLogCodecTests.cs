using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Format.Tests;

public sealed class ActivityLogCodecTests
{
    private const ulong DeviceId = 0xFEED;

    [Theory]
    [InlineData(67)]
    [InlineData(1237)]
    [InlineData(65534)]
    public void A_table_survives(int slotCount)
    {
        uint[] slots = Table(slotCount, 3);
        uint[] back = new uint[slotCount];
        byte[] bytes = Encoded(9, slots);
        Assert.Equal(0, bytes.Length % 4096);
        Assert.Equal(ActivityLogError.None, ActivityLogCodec.TryDecode(bytes, DeviceId, back, out ulong transaction));
        Assert.Equal(9UL, transaction);
        Assert.Equal(slots, back);
    }

    [Fact]
    public void No_single_bit_flip_is_read_as_anything()
    {
        byte[] bytes = Encoded(9, Table(67, 1));
        uint[] back = new uint[67];
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(ActivityLogError.None, ActivityLogCodec.TryDecode(bytes, DeviceId, back, out _));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.All(back, slot => Assert.Equal(0U, slot));
    }

    [Fact]
    public void The_newest_intact_copy_is_chosen_and_damage_is_counted()
    {
        byte[] ring = Ring(67, [4, 5, 2, 3]);
        int size = MetadataLayout.ActivityLogBytesFor(67);
        Assert.Equal(new ActivityLogChoice(2, 5, 0, 0), ActivityLogCodec.ChooseNewest(ring, DeviceId, 67));

        // One rotten block: the copy beside it counts.
        ring[(2 * size) + 70] ^= 1;
        Assert.Equal(new ActivityLogChoice(3, 5, 1, 0), ActivityLogCodec.ChooseNewest(ring, DeviceId, 67));

        // A torn transaction: the one before counts.
        ring[(3 * size) + 4095] ^= 1;
        Assert.Equal(new ActivityLogChoice(0, 4, 2, 0), ActivityLogCodec.ChooseNewest(ring, DeviceId, 67));
    }

    [Fact]
    public void A_blank_ring_has_no_transaction_and_no_damage()
    {
        byte[] ring = new byte[8 * 4096];
        Assert.Equal(new ActivityLogChoice(-1, 0, 0, 0), ActivityLogCodec.ChooseNewest(ring, DeviceId, 67));
    }

    [Fact]
    public void Transactions_of_earlier_metadata_do_not_count()
    {
        byte[] ring = Ring(67, [4, 1000, 2, 3]);
        Assert.Equal(-1, ActivityLogCodec.ChooseNewest(ring, DeviceId + 1, 67).Index);
        Assert.Equal(0, ActivityLogCodec.ChooseNewest(ring, DeviceId + 1, 67).DamagedCopies);
        Assert.Equal(
            ActivityLogError.OtherDevice, ActivityLogCodec.TryDecode(ring.AsSpan(0, 4096), DeviceId + 1, new uint[67], out _));
    }

    [Fact]
    public void Reasons_are_told_apart()
    {
        uint[] back = new uint[67];
        byte[] bytes = Encoded(1, Table(67, 1));
        Assert.Equal(ActivityLogError.Blank, ActivityLogCodec.TryDecode(new byte[4096], DeviceId, back, out _));
        Assert.Equal(ActivityLogError.WrongLength, ActivityLogCodec.TryDecode(bytes.AsSpan(1), DeviceId, back, out _));
        Assert.Equal(ActivityLogError.Malformed, ActivityLogCodec.TryDecode(bytes, DeviceId, new uint[68], out _));
        bytes[0] ^= 1;
        Assert.Equal(ActivityLogError.BadMagic, ActivityLogCodec.TryDecode(bytes, DeviceId, back, out _));
        bytes[0] ^= 1;
        bytes[40] = 1;
        Reseal(bytes);
        Assert.Equal(ActivityLogError.Malformed, ActivityLogCodec.TryDecode(bytes, DeviceId, back, out _));
        bytes[40] = 0;
        bytes[4] = 2;
        Reseal(bytes);
        Assert.Equal(ActivityLogError.UnknownVersion, ActivityLogCodec.TryDecode(bytes, DeviceId, back, out _));
        Assert.Equal(1, ActivityLogCodec.ChooseNewest(bytes, DeviceId, 67).UnknownVersionCopies);
    }

    private static uint[] Table(int count, int seed)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, count).Select(_ => random.Next(3) == 0 ? ActivityLogCodec.EmptySlot : (uint)random.Next()).ToArray();
    }

    private static byte[] Encoded(ulong transaction, uint[] slots)
    {
        byte[] bytes = new byte[MetadataLayout.ActivityLogBytesFor(slots.Length)];
        ActivityLogCodec.Encode(DeviceId, transaction, slots, bytes);
        return bytes;
    }

    private static byte[] Ring(int slotCount, ulong[] transactions) =>
        transactions.SelectMany(t => new[] { t, t }).SelectMany(t => Encoded(t, Table(slotCount, (int)t))).ToArray();

    private static void Reseal(byte[] bytes)
    {
        bytes.AsSpan(8, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), Crc32C.Compute(bytes));
    }
}
