using BlockRepl.Primitives;

namespace BlockRepl.Device.Tests;

public sealed class FilterDeviceTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(11, 1 << 20)]
    [InlineData(12, (5 << 20) + 77)]
    public void Memory_keeps_the_contract(int seed, int size)
    {
        using var device = new MemoryDevice(size);
        DeviceContract.Holds(device, seed);
    }

    [Fact]
    public void Memory_takes_up_only_what_was_written_and_can_be_copied_and_resized()
    {
        using var device = new MemoryDevice(1L << 40);
        Assert.True(device.Write((1L << 39) + 5, [1, 2, 3], forceUnitAccess: false).IsOk);
        Assert.Equal(1, device.AllocatedChunks);
        Assert.True(device.GetExtent(0, 1L << 40, out DeviceExtent extent).IsOk);
        Assert.Equal(new DeviceExtent(1L << 39, IsHole: true), extent);
        Assert.True(device.Discard(1L << 39, 1 << 20).IsOk);
        Assert.Equal(0, device.AllocatedChunks);

        device.Resize(8192);
        device.Write(8191, [9], forceUnitAccess: false);
        MemoryDevice copy = device.Copy();
        device.Resize(8191);
        device.Resize(8192);
        Assert.Equal(0, ByteAt(device, 8191));
        Assert.Equal(9, ByteAt(copy, 8191));
    }

    [Fact]
    public void A_window_keeps_the_contract_and_touches_nothing_outside()
    {
        var inner = new MemoryDevice(2 << 20);
        Assert.True(inner.Write(0, Enumerable.Repeat((byte)0xEE, 2 << 20).ToArray(), forceUnitAccess: false).IsOk);
        using (var window = new SubrangeDevice(inner, 100_001, 1 << 20))
        {
            Assert.Equal(1 << 20, window.SizeBytes);
            DeviceContract.Holds(window, 21);
        }

        byte[] all = new byte[2 << 20];
        Assert.True(inner.Read(0, all).IsOk);
        Assert.False(all.AsSpan(0, 100_001).ContainsAnyExcept((byte)0xEE));
        Assert.False(all.AsSpan(100_001 + (1 << 20)).ContainsAnyExcept((byte)0xEE));
        Assert.Throws<BugException>(() => new SubrangeDevice(inner, 1, 2 << 20));
    }

    [Fact]
    public void Without_faults_holds_or_cuts_the_wrappers_keep_the_contract()
    {
        using var device = new RecordingDevice(new DelayDevice(new FaultyDevice(new MemoryDevice(1 << 20))));
        DeviceContract.Holds(device, 31);
        byte[] now = new byte[1 << 20];
        byte[] replayed = new byte[1 << 20];
        Assert.True(device.Read(0, now).IsOk);
        Assert.True(device.ImageAfter(device.Log.Count).Read(0, replayed).IsOk);
        Assert.Equal(now, replayed);
    }

    [Fact]
    public void Faults_hit_by_kind_range_and_countdown()
    {
        using var device = new FaultyDevice(new MemoryDevice(1 << 20));
        device.Inject(new DeviceFault(DeviceOperation.Write, DiskResult.NoSpace, new ByteRange(4096, 4096), Skip: 1, Times: 2));
        byte[] block = new byte[4096];
        Assert.True(device.Write(0, block, forceUnitAccess: false).IsOk);
        Assert.True(device.Write(4096, block, forceUnitAccess: false).IsOk); // skipped
        Assert.Equal(DiskResult.NoSpace, device.Write(8191, block, forceUnitAccess: false));
        Assert.True(device.Read(4096, block).IsOk);
        Assert.Equal(DiskResult.NoSpace, device.Write(1, block, forceUnitAccess: true));
        Assert.True(device.Write(4096, block, forceUnitAccess: false).IsOk); // used up
        Assert.Equal(2, device.Hits);

        device.Inject(new DeviceFault(DeviceOperation.Read | DeviceOperation.AnyChange, DiskResult.Io));
        Assert.Equal(DiskResult.Io, device.Read(0, block));
        Assert.Equal(DiskResult.Io, device.Discard(0, 1));
        Assert.Equal(DiskResult.Io, device.WriteZeroes(0, 1, mayPunchHole: true, fastOnly: false));
        device.Clear();
        Assert.True(device.Read(0, block).IsOk);
    }

    [Fact]
    public void A_fault_after_the_effect_hides_only_the_success()
    {
        using var device = new FaultyDevice(new MemoryDevice(4096));
        device.Inject(new DeviceFault(DeviceOperation.Write, DiskResult.Io, Times: 1, AfterEffect: true));
        Assert.Equal(DiskResult.Io, device.Write(0, [7], forceUnitAccess: false));
        Assert.Equal(7, ByteAt(device, 0));
    }

    [Fact]
    public void Hard_part_12_a_failed_flush_is_final()
    {
        using var device = new FaultyDevice(new MemoryDevice(4096));
        Assert.True(device.Flush().IsOk);
        device.Inject(new DeviceFault(DeviceOperation.Flush, DiskResult.Io, Times: 1));
        Assert.Equal(DiskResult.Io, device.Flush());
        device.Clear();
        Assert.Equal(DiskResult.Io, device.Flush());
    }

    [Fact]
    public void Held_calls_wait_for_an_event_and_not_for_time()
    {
        using var device = new DelayDevice(new MemoryDevice(4096));
        device.Hold(DeviceOperation.Write);
        using var written = new SemaphoreSlim(0);
        Thread[] writers = [.. Enumerable.Range(0, 3).Select(i => new Thread(() =>
        {
            device.Write(i, [(byte)(i + 1)], forceUnitAccess: false);
            written.Release();
        }))];
        foreach (Thread writer in writers)
            writer.Start();
        Assert.True(device.AwaitWaiting(3, Limit));
        Assert.True(device.Flush().IsOk); // another kind passes
        Assert.Equal(0, ByteAt(device, 0) + ByteAt(device, 1) + ByteAt(device, 2));
        device.LetPass(1);
        Assert.True(written.Wait(Limit));
        Assert.Equal(2, device.Waiting);
        device.Release();
        foreach (Thread writer in writers)
            Assert.True(writer.Join(Limit));
        Assert.Equal(6, ByteAt(device, 0) + ByteAt(device, 1) + ByteAt(device, 2));
        Assert.False(device.AwaitWaiting(1, TimeSpan.FromMilliseconds(1)));
    }

    [Fact]
    public void Images_after_a_crash_and_after_a_power_loss()
    {
        var inner = new MemoryDevice(4096);
        inner.Write(10, [100], forceUnitAccess: false);
        using var device = new RecordingDevice(inner);
        device.Write(0, [1, 1], forceUnitAccess: false);
        device.Flush();
        device.Write(0, [2, 2], forceUnitAccess: false);
        device.Write(4, [3], forceUnitAccess: true);
        device.Discard(10, 1);

        Assert.Equal(5, device.Log.Count);
        Assert.Equal(100, ByteAt(device.ImageAfter(4), 10));
        Assert.Equal(0, ByteAt(device.ImageAfter(5), 10));
        MemoryDevice torn = device.ImageAfter(2, tornBytes: 1);
        Assert.Equal((2, 1), (ByteAt(torn, 0), ByteAt(torn, 1)));

        MemoryDevice lost = device.ImageAfterPowerLoss(5, survives: _ => false);
        Assert.Equal((1, 3, 100), (ByteAt(lost, 0), ByteAt(lost, 4), ByteAt(lost, 10)));
        MemoryDevice kept = device.ImageAfterPowerLoss(5, survives: index => index == 2);
        Assert.Equal((2, 3, 100), (ByteAt(kept, 0), ByteAt(kept, 4), ByteAt(kept, 10)));
    }

    private static int ByteAt(IBlockDevice device, long offset)
    {
        byte[] one = new byte[1];
        Assert.True(device.Read(offset, one).IsOk);
        return one[0];
    }
}
