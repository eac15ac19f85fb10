using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Format.Tests;

public sealed class SuperblockCodecTests
{
    [Fact]
    public void Every_field_survives()
    {
        SuperblockRead read = SuperblockCodec.Decode(Samples.Encoded(Samples.Fixed, 77));
        Assert.Equal(SuperblockError.None, read.Error);
        Assert.Equal(77UL, read.WriteSequence);
        Assert.Equal(Samples.Fixed, read.Superblock);
        Assert.Equal(Samples.Fixed.GetHashCode(), read.Superblock!.GetHashCode());
    }

    [Fact]
    public void Random_superblocks_survive()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            Superblock superblock = Samples.FromSeed(seed);
            SuperblockRead read = SuperblockCodec.Decode(Samples.Encoded(superblock, (ulong)seed));
            Assert.True(superblock == read.Superblock, $"seed {seed}: {read.Error}");
        }
    }

    [Fact]
    public void A_field_that_differs_makes_another_superblock()
    {
        Superblock s = Samples.Fixed;
        Superblock[] others =
        [
            s with { ResourceName = "x" }, s with { VolumeName = "x" }, s with { NodeName = "x" }, s with { DeviceId = 1 },
            s with { Kind = MetadataKind.Internal }, s with { DataBytes = s.DataBytes + 1 }, s with { AgreedBytes = 1 },
            s with { ActivityLogExtents = 68 }, s with { ActivityLogExtentBytes = 4096 }, s with { Current = GenerationId.None },
            s with { History = s.History.RemoveAt(1) }, s with { Flags = SuperblockFlags.None }, s with { BootId = Guid.Empty },
            s.WithPeer(1, PeerSlot.Free), s.WithPeer(0, s.Peers[0] with { BitmapSinceMs = 1 }), s with { Version = 1 },
        ];
        byte[] bytes = Samples.Encoded(s, 1);
        foreach (Superblock other in others)
        {
            Assert.NotEqual(s, other);
            Assert.NotEqual(bytes, Samples.Encoded(other, 1));
        }
    }

    [Fact]
    public void No_single_bit_flip_is_read_as_anything()
    {
        byte[] bytes = Samples.Encoded(Samples.Fixed, 5);
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            SuperblockError error = SuperblockCodec.Decode(bytes).Error;
            Assert.True(error == (bit < 64 ? SuperblockError.BadMagic : SuperblockError.BadChecksum), $"bit {bit}: {error}");
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void A_torn_write_is_never_read_as_the_old_or_the_new_one()
    {
        byte[] old = Samples.Encoded(Samples.FromSeed(1), 8);
        byte[] fresh = Samples.Encoded(Samples.FromSeed(2), 9);
        for (int arrived = 512; arrived < old.Length; arrived += 512)
        {
            byte[] torn = [.. fresh.AsSpan(0, arrived), .. old.AsSpan(arrived)];
            // A tail that is the same in both is no tear: then the new one is complete.
            if (!torn.AsSpan().SequenceEqual(fresh))
                Assert.Equal(SuperblockError.BadChecksum, SuperblockCodec.Decode(torn).Error);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(4095)]
    [InlineData(4097)]
    public void A_wrong_length_is_refused(int length)
    {
        byte[] bytes = new byte[length];
        Samples.Encoded(Samples.Fixed, 1).AsSpan(0, Math.Min(length, 4096)).CopyTo(bytes);
        Assert.Equal(SuperblockError.WrongLength, SuperblockCodec.Decode(bytes).Error);
    }

    [Fact]
    public void The_newer_intact_copy_counts_and_the_first_of_equals()
    {
        byte[] older = Samples.Encoded(Samples.FromSeed(1), 8);
        byte[] newer = Samples.Encoded(Samples.FromSeed(2), 9);
        Assert.Equal(1, SuperblockCodec.Choose(older, newer).Copy);
        SuperblockChoice choice = SuperblockCodec.Choose(newer, older);
        Assert.Equal((0, 9UL, 0), (choice.Copy, choice.WriteSequence, choice.DamagedCopies));
        Assert.Equal(Samples.FromSeed(2), choice.Superblock);
        Assert.Equal(0, SuperblockCodec.Choose(older, older).Copy);
    }

    [Fact]
    public void One_damaged_copy_leaves_the_other_even_if_older()
    {
        byte[] older = Samples.Encoded(Samples.FromSeed(1), 8);
        byte[] damaged = Samples.Encoded(Samples.FromSeed(2), 9);
        damaged[100] ^= 1;
        SuperblockChoice choice = SuperblockCodec.Choose(damaged, older);
        Assert.Equal((SuperblockError.None, 1, 1), (choice.Error, choice.Copy, choice.DamagedCopies));
        Assert.Equal(Samples.FromSeed(1), choice.Superblock);
        choice = SuperblockCodec.Choose(older, new byte[4096]);
        Assert.Equal((SuperblockError.None, 0, 1), (choice.Error, choice.Copy, choice.DamagedCopies));
    }

    [Fact]
    public void Both_copies_bad_is_an_error_that_says_the_more_telling_reason()
    {
        byte[] damaged = Samples.Encoded(Samples.Fixed, 1);
        damaged[4000] ^= 1;
        byte[] foreign = new byte[4096];
        foreign[9] = 1;
        byte[] blank = new byte[4096];
        Assert.Equal(SuperblockError.BadChecksum, SuperblockCodec.Choose(damaged, damaged).Error);
        Assert.Equal(SuperblockError.BadChecksum, SuperblockCodec.Choose(blank, damaged).Error);
        Assert.Equal(SuperblockError.BadMagic, SuperblockCodec.Choose(foreign, blank).Error);
        Assert.Equal(SuperblockError.Blank, SuperblockCodec.Choose(blank, blank).Error);
        Assert.Null(SuperblockCodec.Choose(damaged, damaged).Superblock);
    }

    [Fact]
    public void G15_an_intact_copy_of_an_unknown_version_rules_out_its_sibling()
    {
        byte[] known = Samples.Encoded(Samples.Fixed, 100);
        byte[] later = Samples.Encoded(Samples.Fixed, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(later.AsSpan(8), 3);
        Reseal(later);
        SuperblockChoice choice = SuperblockCodec.Choose(known, later);
        Assert.Equal(SuperblockError.UnknownVersion, choice.Error);
        Assert.Equal(3U, choice.UnknownVersion);
        Assert.Null(choice.Superblock);
        Assert.Equal(3U, SuperblockCodec.Choose(later, known).UnknownVersion);
    }

    /// <summary>G15: what version 1 has no room for is not written there, and what it never writes is not read from it.</summary>
    [Fact]
    public void G15_version_1_is_read_and_written_as_version_1()
    {
        PeerSlot slot = Samples.Fixed.Peers[0] with { BitmapSinceMs = 1_795_000_000_000, Flags = PeerSlotFlags.WasConnected | PeerSlotFlags.PrimaryAtSplit };
        Superblock two = Samples.Fixed.WithPeer(0, slot) with { Version = 2 };
        Superblock one = two with { Version = 1 };
        Assert.Equal(two, SuperblockCodec.Decode(Samples.Encoded(two, 1)).Superblock);
        Assert.Equal(Samples.Fixed with { Version = 1 }, SuperblockCodec.Decode(Samples.Encoded(one, 1)).Superblock);
        Assert.Equal(Samples.Encoded(Samples.Fixed with { Version = 1 }, 1), Samples.Encoded(one, 1));

        byte[] relabelled = Samples.Encoded(two, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(relabelled.AsSpan(8), 1);
        Reseal(relabelled);
        Assert.Equal(SuperblockError.Malformed, SuperblockCodec.Decode(relabelled).Error);
        Assert.Throws<BugException>(() => Samples.Encoded(two with { Version = 3 }, 1));
        Assert.Throws<BugException>(() => Samples.Encoded(two with { Version = 0 }, 1));
    }

    /// <summary>An upgrade that is cut between the copies leaves a newer copy of version 2 beside an older one of version 1.</summary>
    [Fact]
    public void G15_of_two_known_versions_the_newer_copy_counts()
    {
        byte[] one = Samples.Encoded(Samples.Fixed with { Version = 1 }, 7);
        byte[] two = Samples.Encoded(Samples.Fixed with { Version = 2 }, 8);
        Assert.Equal(2U, SuperblockCodec.Choose(one, two).Superblock!.Version);
        Assert.Equal(2U, SuperblockCodec.Choose(two, one).Superblock!.Version);
        Assert.Equal(0, SuperblockCodec.Choose(two, one).DamagedCopies);
    }

    [Theory]
    [InlineData(32, 0, 8)] // no data
    [InlineData(38, 2, 1)] // more than 256 TiB of data
    [InlineData(40, 0xFF, 8)] // agreed size negative
    [InlineData(48, 0, 4)] // no extents
    [InlineData(52, 3, 1)] // extent size not a power of two
    [InlineData(56, 0xFF, 4)] // unknown flags
    [InlineData(60, 3, 1)] // unknown kind
    [InlineData(61, 0, 1)] // no slots
    [InlineData(61, 9, 1)] // too many slots
    [InlineData(62, 33, 1)] // too much history
    [InlineData(62, 3, 1)] // history with a gap
    [InlineData(62, 1, 1)] // history behind its end
    [InlineData(100, 1, 1)] // reserved
    [InlineData(128, 0, 1)] // name without length, with text
    [InlineData(128, 127, 1)] // name too long
    [InlineData(129, 0xFF, 1)] // name not UTF-8
    [InlineData(1024 + 137, 2, 1)] // unknown peer flag
    [InlineData(1024 + 140, 1, 1)] // reserved before a slot's time
    [InlineData(1024 + 144, 0xFF, 8)] // a time before 1970
    [InlineData(1024 + 152, 1, 1)] // reserved behind a slot's time
    [InlineData(1024 + 200, 1, 1)] // reserved in a slot
    [InlineData(3071, 1, 1)] // a slot that there is not
    [InlineData(4095, 1, 1)] // reserved at the end
    public void A_sealed_superblock_with_a_field_that_this_version_never_writes_is_malformed(int offset, byte value, int length)
    {
        byte[] bytes = Samples.Encoded(Samples.Fixed, 1);
        bytes.AsSpan(offset, length).Fill(value);
        Reseal(bytes);
        Assert.Equal(SuperblockError.Malformed, SuperblockCodec.Decode(bytes).Error);
    }

    [Fact]
    public void What_could_not_be_read_back_is_not_written()
    {
        Assert.Throws<BugException>(() => Samples.Encoded(Samples.Fixed with { DataBytes = 0 }, 1));
        Assert.Throws<BugException>(() => Samples.Encoded(Samples.Fixed with { ResourceName = new string('x', 127) }, 1));
        Assert.Throws<BugException>(() => Samples.Encoded(Samples.Fixed with { Peers = [] }, 1));
    }

    [Fact]
    public void History_moves_what_it_knows_and_drops_the_oldest()
    {
        Superblock superblock = Samples.Fixed with { History = [] };
        for (ulong i = 1; i <= 40; i++)
            superblock = superblock.WithHistory(new GenerationId(i * 2));
        Assert.Equal(Superblock.HistoryMax, superblock.History.Length);
        Assert.Equal(new GenerationId(80), superblock.History[0]);
        Assert.Equal(new GenerationId(18), superblock.History[^1]);
        superblock = superblock.WithHistory(new GenerationId(18)).WithHistory(GenerationId.None);
        Assert.Equal(Superblock.HistoryMax, superblock.History.Length);
        Assert.Equal(new GenerationId(18), superblock.History[0]);
        Assert.Equal(new GenerationId(20), superblock.History[^1]);
    }

    [Fact]
    public void Peers_are_found_by_name()
    {
        Superblock superblock = Samples.Fixed.WithPeer(1, PeerSlot.Free);
        Assert.Equal(0, superblock.FindPeer("beta"));
        Assert.Equal(-1, superblock.FindPeer("gamma"));
        Assert.Equal(-1, superblock.FindPeer(""));
        Assert.Equal(1, superblock.FindFreeSlot());
        Assert.Equal(-1, Samples.Fixed.FindFreeSlot());
    }

    private static void Reseal(byte[] bytes)
    {
        bytes.AsSpan(12, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Crc32C.Compute(bytes));
    }
}
