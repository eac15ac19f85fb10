using System.Globalization;
using BlockRepl.Primitives;

namespace BlockRepl.Device.Tests;

/// <summary>
/// Direct I/O on this machine's file systems and on loop devices. Where those cannot do it these tests fail: a skipped test would be a claim that nobody has looked at.
/// </summary>
public sealed class DirectFileDeviceTests : IDisposable
{
    private readonly TestMounts _mounts = new();

    public void Dispose() => _mounts.Dispose();

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, true)]
    public void A_file_keeps_the_contract(int seed, bool isQueued)
    {
        using IBlockDevice device = Open(_mounts.Directory.File("disk", 1 << 20), isQueued);
        Assert.Equal(1 << 20, device.SizeBytes);
        Assert.Equal(1, device.Capabilities.MinimumIoBytes);
        DeviceContract.Holds(device, seed);
        if (device is QueuedDevice queued)
            WriteBlocks(queued, 30);
    }

    [Theory]
    [InlineData(512, false)]
    [InlineData(512, true)]
    [InlineData(4096, false)]
    [InlineData(4096, true)]
    public void A_block_device_keeps_the_contract(int sectorBytes, bool isQueued)
    {
        using IBlockDevice device = Open(_mounts.Loop(4 << 20, sectorBytes), isQueued);
        Assert.Equal(4 << 20, device.SizeBytes);
        DeviceContract.Holds(device, sectorBytes);
        if (device is QueuedDevice queued)
            WriteBlocks(queued, 30);
    }

    /// <summary>Writers that own bytes side by side, whose sectors overlap: none may write another's bytes back as they were before.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Writes_that_share_a_sector_lose_nothing_of_each_other(bool isQueued)
    {
        const int Writers = 8;
        const int Bytes = 1500;
        using IBlockDevice device = Open(_mounts.Directory.File("disk", 1 << 20), isQueued);
        var failures = new List<string>();
        Thread[] threads = [.. Enumerable.Range(0, Writers).Select(writer => new Thread(() =>
        {
            byte[] data = new byte[Bytes];
            byte[] back = new byte[Bytes];
            for (int round = 0; round < 250; round++)
            {
                data.AsSpan().Fill((byte)(writer * 31 + round));
                DiskResult result = round % 7 == writer % 7
                    ? device.WriteZeroes(writer * Bytes, Bytes, mayPunchHole: round % 2 == 0, fastOnly: false)
                    : device.Write(writer * Bytes, data, forceUnitAccess: round % 11 == 0);
                if (round % 7 == writer % 7)
                    data.AsSpan().Clear();
                if (result.IsOk)
                    result = device.Read(writer * Bytes, back);
                if (result.IsOk && back.AsSpan().SequenceEqual(data))
                    continue;
                lock (failures)
                    failures.Add($"writer {writer}, round {round}: {result}");
                return;
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        Assert.Empty(failures);
    }

    /// <summary>Every way to change a disk, with ends inside sectors, leaves no page in the cache: mixed, the two would overwrite each other.</summary>
    [Fact]
    public void Nothing_goes_through_the_page_cache()
    {
        string path = _mounts.Directory.File("disk", 1 << 20);
        using IBlockDevice device = Open(path);
        byte[] data = BufferedFileDeviceTests.Pattern(100_000);
        Assert.True(device.Write(100, data, forceUnitAccess: false).IsOk);
        Assert.True(device.Write(300_001, data, forceUnitAccess: true).IsOk);
        Assert.True(device.Discard(5_000, 20_001).IsOk);
        Assert.True(device.Discard(5_000, 1).IsOk);
        Assert.True(device.WriteZeroes(40_001, 30_000, mayPunchHole: false, fastOnly: false).IsOk);
        Assert.True(device.WriteZeroes(310_001, 30_000, mayPunchHole: true, fastOnly: false).IsOk);
        Assert.True(device.Read(77, data).IsOk);
        Assert.True(device.Flush().IsOk);
        Assert.Equal("0", Shell.Run("fincore", "--bytes", "--noheadings", "--output", "RES", path));
    }

    [Fact]
    public void What_a_buffered_owner_left_in_the_page_cache_is_there_and_the_other_way_round()
    {
        string path = _mounts.Directory.File("disk", 1 << 20);
        byte[] data = BufferedFileDeviceTests.Pattern(300_000);
        using (IBlockDevice buffered = BufferedFileDeviceTests.Open(path))
            Assert.True(buffered.Write(1_000, data, forceUnitAccess: false).IsOk);
        byte[] back = new byte[data.Length];
        using (IBlockDevice direct = Open(path))
        {
            Assert.Equal("0", Shell.Run("fincore", "--bytes", "--noheadings", "--output", "RES", path));
            Assert.True(direct.Read(1_000, back).IsOk);
            Assert.Equal(data, back);
            data.AsSpan().Reverse();

            // Somebody looks, as dump-md does, and brings pages into the cache.
            using DeviceReader looker = DeviceReader.Open(path, out _, out _)!;
            Assert.True(looker.Read(0, back).IsOk);
            Assert.True(direct.Write(1_000, data, forceUnitAccess: false).IsOk);
        }

        using IBlockDevice again = BufferedFileDeviceTests.Open(path);
        Assert.True(again.Read(1_000, back).IsOk);
        Assert.Equal(data, back);
    }

    [Fact]
    public void What_cannot_be_had_is_refused_with_the_reason()
    {
        string memory = Path.Combine(_mounts.Mount("-t", "tmpfs", "-o", "size=4m", "tmpfs"), "disk");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(memory, 1 << 20, out _));
        Assert.Contains("goes through the page cache all the same", Refused(memory), StringComparison.Ordinal);
        string odd = _mounts.Directory.File("odd", (1 << 20) + 513);
        Assert.Contains("which is no multiple of 4096", Refused(odd), StringComparison.Ordinal);
        BufferedFileDeviceTests.Open(odd).Dispose(); // a refused open holds no lock

        string good = _mounts.Directory.File("good", 1 << 20);
        NativeSupport noRing = NativeSupport.Probe(() => NativeSupport.AbiVersion, () => -38);
        DeviceOpenResult result = DirectFileDevice.Open(good, noRing);
        Assert.Equal((null, DeviceOpenError.NoDirectIo), (result.Device, result.Error));
        Assert.Contains("this kernel offers no io_uring", result.Message, StringComparison.Ordinal);
        NativeSupport noLibrary = NativeSupport.Probe(() => throw new DllNotFoundException(), () => 0);
        Assert.Contains("libblockrepl_native.so is missing", DirectFileDevice.Open(good, noLibrary).Message, StringComparison.Ordinal);
        Assert.Equal(DeviceOpenError.NotFound, DeviceFactory.Open(good + "-none", io: DeviceIo.Direct).Error);
        Open(good).Dispose();
    }

    [Fact]
    public void Hard_part_15_one_owner_however_it_does_its_io()
    {
        string path = _mounts.Directory.File("disk", 1 << 20);
        string loop = _mounts.Loop(1 << 20, 512);
        using (Open(path))
        using (Open(loop))
        {
            Assert.Equal(DeviceOpenError.Busy, DeviceFactory.Open(path).Error);
            Assert.Equal(DeviceOpenError.Busy, DeviceFactory.Open(path, io: DeviceIo.Direct).Error);
            Assert.Equal(DeviceOpenError.Busy, DeviceFactory.Open(loop).Error);
        }

        using IBlockDevice buffered = BufferedFileDeviceTests.Open(path);
        Assert.Equal(DeviceOpenError.Busy, DeviceFactory.Open(path, io: DeviceIo.Direct).Error);
    }

    [Fact]
    public void Hard_part_16_a_file_grows_with_its_tail_in_place_and_a_cut_one_reads_as_an_error()
    {
        string path = _mounts.Directory.File("disk", 8192);
        using IBlockDevice device = Open(path);
        Assert.Equal(new DiskResult(22), device.Extend(16_385, []));
        Assert.Equal(DiskResult.Ok, device.Extend(32_768, [1, 2, 3]));
        Assert.Equal(32_768, device.SizeBytes);
        byte[] back = new byte[32_768 - 8192];
        Assert.True(device.Read(8192, back).IsOk);
        Assert.False(back.AsSpan(..^3).ContainsAnyExcept((byte)0));
        Assert.Equal([1, 2, 3], back[^3..]);
        Assert.Equal(DiskResult.Ok, device.Extend(65_536, []));
        Shell.Run("truncate", "--size=70001", path);
        Assert.Equal(65_536, device.SizeBytes);
        Assert.Equal(69_632, device.RefreshSize());
        Shell.Run("truncate", "--size=4096", path);
        Assert.Equal(DiskResult.Io, device.Read(4096, new byte[10]));
        Assert.Equal(DiskResult.Io, device.Read(4000, new byte[200]));
    }

    /// <summary>The room runs out: what was taken is there, what was not is refused by that name, also of a forced write in the ring, and the disk has not failed.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_full_disk_is_reported_as_such_and_nothing_is_lost(bool isQueued)
    {
        string path = Path.Combine(_mounts.FileSystem(8 << 20), "disk");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(path, 64 << 20, out _));
        using IBlockDevice device = Open(path, isQueued);
        byte[] block = BufferedFileDeviceTests.Pattern(64 << 10);
        int written = 0;
        DiskResult result;
        while ((result = device.Write((long)written * block.Length, block, forceUnitAccess: written % 2 == 0)).IsOk)
            written++;
        Assert.Equal(DiskResult.NoSpace, result);
        Assert.InRange(written, 10, 128);
        Assert.Equal(DiskResult.NoSpace, device.Write(32 << 20, block, forceUnitAccess: true));
        Assert.Equal(DiskResult.Ok, device.Flush());
        byte[] back = new byte[block.Length];
        for (int i = 0; i < written; i++)
        {
            Assert.True(device.Read((long)i * block.Length, back).IsOk);
            Assert.Equal(block, back);
        }

        Assert.True(device.Discard(0, 2 * block.Length).IsOk);
        Assert.Equal(DiskResult.Ok, device.Write(32 << 20, block, forceUnitAccess: true));
        Assert.Equal(DiskResult.Ok, device.Flush());
    }

    /// <summary>A loop device whose backing file has no room: each write says so itself, where a buffered one would leave it to the flush.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_write_that_fails_says_so_and_its_neighbours_stay(bool isQueued)
    {
        string outer = _mounts.Mount("-t", "tmpfs", "-o", "size=1m", "tmpfs");
        string backing = Path.Combine(outer, "backing");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(backing, 8 << 20, out _));
        using IBlockDevice device = Open(_mounts.LoopOn(backing), isQueued);
        byte[] data = BufferedFileDeviceTests.Pattern(512 << 10);
        Assert.Equal(DiskResult.Ok, device.Write(0, data, forceUnitAccess: false));
        Assert.False(device.Write(4 << 20, new byte[4 << 20], forceUnitAccess: false).IsOk);
        byte[] back = new byte[data.Length];
        Assert.Equal(DiskResult.Ok, device.Read(0, back));
        Assert.Equal(data, back);
    }

    /// <summary>G1: a forced write makes the disk flush, by whichever way it goes; a plain one does not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void G1_a_forced_write_reaches_stable_storage(bool isQueued)
    {
        string loop = _mounts.Loop(1 << 20, 512);
        using IBlockDevice device = Open(loop, isQueued);
        byte[] data = BufferedFileDeviceTests.Pattern(4096);
        long Flushes() => long.Parse(File.ReadAllText($"/sys/block/{Path.GetFileName(loop)}/stat").Split(' ', StringSplitOptions.RemoveEmptyEntries)[15], CultureInfo.InvariantCulture);
        long before = Flushes();
        Assert.Equal(DiskResult.Ok, device.Write(0, data, forceUnitAccess: false));
        Assert.Equal(before, Flushes());
        foreach ((long offset, int length) in new[] { (4096L, 4096), (8192, 512), (100, 300) })
        {
            before = Flushes();
            Assert.Equal(DiskResult.Ok, device.Write(offset, data.AsSpan(0, length), forceUnitAccess: true));
            Assert.InRange(Flushes(), before + 1, long.MaxValue);
        }

        before = Flushes();
        Assert.Equal(DiskResult.Ok, device.Flush());
        Assert.InRange(Flushes(), before + 1, long.MaxValue);
    }

    [Fact]
    public void Reads_writes_and_flushes_allocate_nothing()
    {
        using IBlockDevice device = Open(_mounts.Directory.File("disk", 1 << 20));
        byte[] buffer = BufferedFileDeviceTests.Pattern(4096);
        BlockBuffer aligned = BlockBufferPool.Shared.Rent(4096, BufferPurpose.Test);
        long before = 0;
        for (int round = 0; round < 60; round++)
        {
            if (round == 40)
                before = GC.GetAllocatedBytesForCurrentThread();
            device.Write(round * 4096, aligned.Span, forceUnitAccess: false);
            device.Write(round * 4096, aligned.Span, forceUnitAccess: true);
            device.Write(round * 4096 + 100, buffer, forceUnitAccess: true);
            device.Read(round * 4096, aligned.Span);
            device.Read(round * 4096 + 100, buffer);
            device.Flush();
            device.Discard(round * 4096 + 50, 8192);
            device.WriteZeroes(round * 4096, 5000, mayPunchHole: false, fastOnly: false);
            device.GetExtent(0, 1 << 20, out _);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        aligned.Release();
    }

    private static void WriteBlocks(QueuedDevice device, int count)
    {
        int before = device.Queued;
        for (int i = 0; i < count; i++)
            Assert.Equal(DiskResult.Ok, device.Write(i * 4096L, BufferedFileDeviceTests.Pattern(4096), forceUnitAccess: i % 3 == 0));
        Assert.Equal(before + count, device.Queued);
    }

    internal static IBlockDevice Open(string path, bool isQueued = false)
    {
        DeviceOpenResult result = DeviceFactory.Open(path, io: DeviceIo.Direct);
        Assert.Equal((DeviceOpenError.None, ""), (result.Error, result.Message));
        Assert.IsType<DirectFileDevice>(result.Device);
        return isQueued ? new QueuedDevice(result.Device) : result.Device;
    }

    private static string Refused(string path)
    {
        DeviceOpenResult result = DeviceFactory.Open(path, io: DeviceIo.Direct);
        Assert.Equal((null, DeviceOpenError.NoDirectIo), (result.Device, result.Error));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"{path} cannot have io: direct: "), result.Message, StringComparison.Ordinal);
        return result.Message;
    }
}
