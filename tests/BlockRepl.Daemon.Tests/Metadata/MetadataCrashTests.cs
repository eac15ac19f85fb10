using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;
using static BlockRepl.Daemon.Tests.Metadata.MetadataFixture;

namespace BlockRepl.Daemon.Tests.Metadata;

/// <summary>Each operation is cut at every write, and inside every write, and what an attach finds then is looked at.</summary>
public sealed class MetadataCrashTests
{
    private static readonly int[] TornBytes = [0, 1, 16, 512, 1024, 4095];

    [Fact]
    public void A_superblock_write_cut_anywhere_leaves_the_old_or_the_new_one()
    {
        var recorder = new RecordingDevice(InSync());
        (VolumeMetadataStore store, _) = Opened(recorder);
        var states = new List<(int Done, Superblock Superblock)> { (0, store.Superblock) };
        for (int i = 1; i <= 5; i++)
        {
            Superblock next = store.Superblock.WithHistory(store.Superblock.Current) with { Current = new GenerationId((ulong)i << 8) };
            Assert.True(store.WriteSuperblock(next).IsOk);
            states.Add((recorder.Log.Count, next));
        }

        Assert.All(recorder.Log, change => Assert.True(change.ForcedUnitAccess));
        Assert.Equal(10, recorder.Log.Count);
        for (int cut = 0; cut <= recorder.Log.Count; cut++)
        {
            foreach (int torn in TornBytes)
            {
                Superblock found = Opened(recorder.ImageAfter(cut, torn)).Loaded.Superblock;
                Superblock durable = states.Last(state => state.Done <= cut).Superblock;
                Superblock? begun = states.FirstOrDefault(state => state.Done > cut).Superblock;
                Assert.True(found == durable || found == begun, $"cut {cut}, torn {torn}");
            }
        }
    }

    [Fact]
    public void An_activity_log_write_cut_anywhere_leaves_the_old_or_the_new_table()
    {
        var recorder = new RecordingDevice(InSync());
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(recorder);
        var tables = new List<uint[]> { Array.Empty<uint>() };
        for (uint i = 1; i <= 12; i++)
        {
            uint[] active = [i, i + 1, 40 - i];
            Assert.True(store.WriteActivityLog(loaded.ActivityLogTransaction + i, Table(active)).IsOk);
            tables.Add(active);
        }

        Assert.Equal(12, recorder.Log.Count);
        Assert.All(recorder.Log, change => Assert.True(change.ForcedUnitAccess));
        for (int cut = 0; cut <= recorder.Log.Count; cut++)
        {
            // A torn first copy, a whole first copy with a torn second one, and anything in between.
            foreach (int torn in TornBytes.Concat([4096, 4097, 8191]))
            {
                uint[] found = [.. Opened(recorder.ImageAfter(cut, torn)).Loaded.ActiveExtents];
                Assert.True(
                    found.SequenceEqual(tables[cut]) || (cut < 12 && found.SequenceEqual(tables[cut + 1])), $"cut {cut}, torn {torn}");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void G8_a_bitmap_write_cut_anywhere_never_hides_a_difference(int seed)
    {
        var random = new Random(seed);
        var recorder = new RecordingDevice(InSync());
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(recorder);
        DirtyBitmap bitmap = loaded.Bitmaps[0]!;
        var states = new List<(int Done, bool[] Bits)> { (0, Bits(bitmap)) };
        for (int i = 0; i < 6; i++)
        {
            long first = random.NextInt64(bitmap.BlockCount - 1);
            long count = random.NextInt64(1, bitmap.BlockCount - first);
            if (random.Next(3) == 0)
                bitmap.Clear(first, count);
            else
                bitmap.Set(first, count);
            Assert.True(store.WriteBitmap(0, bitmap, first, count).IsOk);
            states.Add((recorder.Log.Count, Bits(bitmap)));
        }

        Assert.All(recorder.Log, change => Assert.True(change.ForcedUnitAccess));
        for (int cut = 0; cut <= recorder.Log.Count; cut++)
        {
            bool[] durable = states.Last(state => state.Done <= cut).Bits;
            bool[] begun = states.FirstOrDefault(state => state.Done > cut).Bits ?? durable;
            foreach (int torn in TornBytes)
            {
                LoadedMetadata found = Opened(recorder.ImageAfter(cut, torn)).Loaded;
                bool[] bits = Bits(found.Bitmaps[0]!);
                for (int block = 0; block < bits.Length; block++)
                {
                    bool mustBeSet = durable[block] && begun[block];
                    bool mayBeSet = durable[block] || begun[block] || found.DamagedBitmapBlocks > 0;
                    if ((mustBeSet && !bits[block]) || (bits[block] && !mayBeSet))
                        Assert.Fail($"cut {cut}, torn {torn}, block {block}");
                }
            }
        }
    }

    [Fact]
    public void A_bitmap_survives_as_a_whole_and_in_parts()
    {
        MemoryDevice disk = InSync();
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(disk);
        DirtyBitmap bitmap = loaded.Bitmaps[0]!;
        bitmap.Set(0, 1);
        bitmap.Set(BitmapBlockCodec.BitsPerBlock - 1, 2);
        bitmap.Set(bitmap.BlockCount - 1, 1);
        Assert.True(store.WriteBitmap(0, bitmap, BitmapBlockCodec.BitsPerBlock - 1, 2).IsOk);
        Assert.Equal(Bits(bitmap), Bits(Opened(disk).Loaded.Bitmaps[0]!));
        bitmap.Clear(0, 1);
        Assert.True(store.WriteBitmap(0, bitmap, 5, 0).IsOk);
        Assert.True(Opened(disk).Loaded.Bitmaps[0]!.IsSet(0));
        Assert.True(store.WriteBitmap(0, bitmap, 5, 1).IsOk);
        Assert.False(Opened(disk).Loaded.Bitmaps[0]!.IsSet(0));
    }

    [Fact]
    public void A_failed_superblock_write_is_told_and_what_the_store_says_is_what_an_attach_finds()
    {
        for (int skip = 0; skip < 2; skip++)
        {
            var faulty = new FaultyDevice(InSync());
            (VolumeMetadataStore store, _) = Opened(faulty);
            Superblock before = store.Superblock;
            Superblock after = before with { Current = new GenerationId(0x5550) };
            faulty.Inject(new DeviceFault(DeviceOperation.Write, DiskResult.Io, Skip: skip, Times: 1));
            Assert.Equal(DiskResult.Io, store.WriteSuperblock(after));
            Assert.Equal(skip == 0 ? before : after, store.Superblock);
            Assert.Equal(store.Superblock, Opened(faulty).Loaded.Superblock);
            Assert.True(store.WriteSuperblock(after with { Current = new GenerationId(0x5552) }).IsOk);
            Assert.Equal(new GenerationId(0x5552), Opened(faulty).Loaded.Superblock.Current);
        }
    }

    [Fact]
    public void A_failed_activity_log_write_can_be_repeated_and_never_costs_the_durable_one()
    {
        var faulty = new FaultyDevice(InSync());
        (VolumeMetadataStore store, _) = Opened(faulty);
        Assert.True(store.WriteActivityLog(5, Table(1)).IsOk);
        faulty.Inject(new DeviceFault(DeviceOperation.Write, DiskResult.Io, Times: 3));
        Assert.Equal(DiskResult.Io, store.WriteActivityLog(6, Table(2)));
        Assert.Equal(DiskResult.Io, store.WriteActivityLog(7, Table(2)));
        Assert.Equal(DiskResult.Io, store.WriteActivityLog(8, Table(2)));
        Assert.Equal([1U], Opened(faulty).Loaded.ActiveExtents.ToArray());
        // Number 9 would stand in the place of 5, the only durable one.
        Assert.Throws<BugException>(() => store.WriteActivityLog(9, Table(2)));
        Assert.Throws<BugException>(() => store.WriteActivityLog(5, Table(2)));
        Assert.True(store.WriteActivityLog(6, Table(2)).IsOk);
        Assert.Equal([2U], Opened(faulty).Loaded.ActiveExtents.ToArray());
    }

    [Fact]
    public void What_does_not_fit_the_metadata_is_a_bug()
    {
        (VolumeMetadataStore store, _) = Opened(InSync());
        Assert.Throws<BugException>(() => store.WriteSuperblock(store.Superblock with { DeviceId = 1 }));
        Assert.Throws<BugException>(() => store.WriteSuperblock(store.Superblock with { DataBytes = 4096 }));
        Assert.Throws<BugException>(() => store.WriteSuperblock(store.Superblock with { Peers = [PeerSlot.Free] }));
        Assert.Throws<BugException>(() => store.WriteActivityLog(5, new uint[68]));
        Assert.Throws<BugException>(() => store.WriteBitmap(0, new DirtyBitmap(store.Layout.DataBlocks + 1), 0, 1));
        Assert.Throws<BugException>(() => store.WriteBitmap(2, new DirtyBitmap(store.Layout.DataBlocks), 0, 1));
    }

    private static bool[] Bits(DirtyBitmap bitmap)
    {
        bool[] bits = new bool[bitmap.BlockCount];
        for (long block = bitmap.FindNextSet(0); block >= 0; block = bitmap.FindNextSet(block + 1))
            bits[block] = true;
        return bits;
    }
}
