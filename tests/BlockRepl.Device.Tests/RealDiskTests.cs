using BlockRepl.Primitives;

namespace BlockRepl.Device.Tests;

/// <summary>On the kernel's own loop and device-mapper devices and a file system that is really full. Needs root.</summary>
public sealed class RealDiskTests : IDisposable
{
    private readonly TestMounts _mounts = new();

    public void Dispose() => _mounts.Dispose();

    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    public void A_block_device_keeps_the_contract(int sectorBytes)
    {
        using IBlockDevice device = BufferedFileDeviceTests.Open(_mounts.Loop(4 << 20, sectorBytes));
        Assert.Equal(4 << 20, device.SizeBytes);
        Assert.Equal(1, device.Capabilities.MinimumIoBytes);
        Assert.True(device.Capabilities.CanDiscard);
        DeviceContract.Holds(device, sectorBytes);
    }

    [Fact]
    public void A_file_system_that_cannot_zero_ranges_keeps_the_contract()
    {
        string path = Path.Combine(_mounts.Mount("-t", "tmpfs", "-o", "size=4m", "tmpfs"), "disk");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(path, 1 << 20, out _));
        using IBlockDevice device = BufferedFileDeviceTests.Open(path);
        DeviceContract.Holds(device, 41);
    }

    [Fact]
    public void Hard_part_15_a_block_device_has_one_owner_and_a_mounted_one_is_refused()
    {
        string loop = _mounts.Loop(32 << 20, 512);
        string link = Path.Combine(_mounts.Directory.Root, "link");
        File.CreateSymbolicLink(link, loop);
        using (IBlockDevice device = BufferedFileDeviceTests.Open(link))
            Assert.Equal(DeviceOpenError.Busy, DeviceFactory.Open(loop).Error);
        Shell.Run("mkfs.ext4", "-q", loop);
        string mount = _mounts.Mount("-t", "ext4", loop);
        Assert.Equal(DeviceOpenError.Busy, DeviceFactory.Open(loop).Error);
        Shell.Run("umount", mount);
        BufferedFileDeviceTests.Open(loop).Dispose();
    }

    [Fact]
    public void A_read_only_block_device_is_refused_by_that_name()
    {
        string file = _mounts.Directory.File("backing", 1 << 20);
        string loop = _mounts.LoopOn(file, "--read-only");
        Assert.Equal(DeviceOpenError.ReadOnly, DeviceFactory.Open(loop).Error);
    }

    [Fact]
    public void A_full_disk_is_reported_as_such_and_nothing_is_lost()
    {
        string mount = _mounts.Mount("-t", "tmpfs", "-o", "size=1m", "tmpfs");
        string path = Path.Combine(mount, "disk");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(path, 4 << 20, out _));
        using IBlockDevice device = BufferedFileDeviceTests.Open(path);
        byte[] block = BufferedFileDeviceTests.Pattern(4096);
        int written = 0;
        DiskResult result;
        while ((result = device.Write(written * 4096L, block, forceUnitAccess: written % 2 == 0)).IsOk)
            written++;
        Assert.Equal(DiskResult.NoSpace, result);
        Assert.InRange(written, 100, 256);
        Assert.Equal(DiskResult.NoSpace, device.Write(written * 4096L, block, forceUnitAccess: true));

        // No write that was accepted is lost, the disk has not failed, and room that comes back can be used.
        Assert.Equal(DiskResult.Ok, device.Flush());
        byte[] back = new byte[4096];
        for (int i = 0; i < written; i++)
        {
            Assert.True(device.Read(i * 4096L, back).IsOk);
            Assert.Equal(block, back);
        }

        Assert.True(device.Discard(0, 4096).IsOk);
        Assert.Equal(DiskResult.Ok, device.Write(written * 4096L, block, forceUnitAccess: true));
        Assert.Equal(DiskResult.Ok, device.Flush());
        Assert.Equal(
            DeviceOpenError.NotFound, DeviceFactory.CreateSparseFile(Path.Combine(mount, "none", "disk"), 4096, out _));
    }

    [Fact]
    public void Hard_part_12_a_flush_that_failed_on_a_real_disk_stays_failed()
    {
        // A file system on a loop device whose backing file lies on a full tmpfs: writeback fails, and only a sync tells.
        string outer = _mounts.Mount("-t", "tmpfs", "-o", "size=1m", "tmpfs");
        string backing = Path.Combine(outer, "backing");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(backing, 8 << 20, out _));
        string loop = _mounts.LoopOn(backing);
        using IBlockDevice device = BufferedFileDeviceTests.Open(loop);
        Assert.True(device.Write(0, BufferedFileDeviceTests.Pattern(4 << 20), forceUnitAccess: false).IsOk);
        DiskResult failed = device.Flush();
        Assert.False(failed.IsOk);

        // The room is there again, but what was lost is lost: no later flush or forced write may say otherwise (G1).
        Shell.Run("mount", "-o", "remount,size=32m", outer);
        Assert.Equal(failed, device.Flush());
        Assert.Equal(failed, device.Write(0, new byte[4096], forceUnitAccess: true));
        Assert.Equal(failed, device.Flush());
    }
}
