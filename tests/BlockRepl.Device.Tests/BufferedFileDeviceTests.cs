using System.Diagnostics;
using BlockRepl.Primitives;

namespace BlockRepl.Device.Tests;

public sealed class BufferedFileDeviceTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(1, 1 << 20)]
    [InlineData(2, (1 << 20) + 513)]
    [InlineData(3, 5000)]
    public void Keeps_the_contract(int seed, int size)
    {
        using IBlockDevice device = Open(_directory.File("disk", size));
        Assert.Equal(size, device.SizeBytes);
        Assert.Equal(1, device.Capabilities.MinimumIoBytes);
        DeviceContract.Holds(device, seed);
    }

    [Fact]
    public void A_created_file_is_sparse_private_and_never_overwritten()
    {
        string path = _directory.File("disk", 1L << 40);
        Assert.Equal("0", Shell.Run("stat", "-c", "%b", path));
        Assert.Equal("600", Shell.Run("stat", "-c", "%a", path));
        Assert.Equal(DeviceOpenError.AlreadyExists, DeviceFactory.CreateSparseFile(path, 4096, out string message));
        Assert.Contains(path, message, StringComparison.Ordinal);
        using IBlockDevice device = Open(path);
        Assert.Equal(1L << 40, device.SizeBytes);
        Assert.True(device.GetExtent(0, 1L << 40, out DeviceExtent extent).IsOk);
        Assert.Equal(new DeviceExtent(1L << 40, IsHole: true), extent);
    }

    [Fact]
    public void Trim_gives_space_back_and_extents_tell_data_from_holes()
    {
        string path = _directory.File("disk", 1 << 20);
        using IBlockDevice device = Open(path);
        Assert.True(device.Capabilities.CanDiscard);
        Assert.True(device.Write(0, Pattern(1 << 20), forceUnitAccess: true).IsOk);
        Assert.True(device.Discard(64 << 10, 512 << 10).IsOk);
        Assert.True(device.GetExtent(0, 1 << 20, out DeviceExtent data).IsOk);
        Assert.Equal(new DeviceExtent(64 << 10, IsHole: false), data);
        Assert.True(device.GetExtent(64 << 10, 1 << 20 >> 1, out DeviceExtent hole).IsOk);
        Assert.Equal(new DeviceExtent(512 << 10, IsHole: true), hole);
        Assert.True(device.Flush().IsOk);
        Assert.InRange(long.Parse(Shell.Run("stat", "-c", "%b", path), null) * 512, 0, 600 << 10);
    }

    [Fact]
    public void Zeroes_without_a_hole_keep_the_space()
    {
        string path = _directory.File("disk", 1 << 20);
        using IBlockDevice device = Open(path);
        Assert.True(device.Write(0, Pattern(1 << 20), forceUnitAccess: true).IsOk);
        Assert.True(device.WriteZeroes(0, 1 << 20, mayPunchHole: false, fastOnly: false).IsOk);
        Assert.True(device.Flush().IsOk);
        Assert.InRange(long.Parse(Shell.Run("stat", "-c", "%b", path), null) * 512, 1 << 20, 2 << 20);
    }

    [Fact]
    public void Refusals_have_reasons()
    {
        Assert.Equal(DeviceOpenError.NotFound, Refused(Path.Combine(_directory.Root, "absent")));
        Assert.Equal(DeviceOpenError.NotFound, Refused(Path.Combine(_directory.File("plain", 1), "below")));
        Assert.Equal(DeviceOpenError.NotABlockDeviceOrFile, Refused(_directory.Root));
        Assert.Equal(DeviceOpenError.NotABlockDeviceOrFile, Refused("/dev/null"));
        string pipe = Path.Combine(_directory.Root, "pipe");
        Shell.Run("mkfifo", pipe);
        Assert.Equal(DeviceOpenError.NotABlockDeviceOrFile, Refused(pipe));
        string small = _directory.File("small", 4096);
        DeviceOpenResult result = DeviceFactory.Open(small, minimumBytes: 4097);
        Assert.Equal(DeviceOpenError.TooSmall, result.Error);
        Assert.Contains("4097", result.Message, StringComparison.Ordinal);
        Open(small).Dispose(); // a refused open holds no lock
    }

    [Fact]
    public void A_link_is_followed()
    {
        string link = Path.Combine(_directory.Root, "link");
        File.CreateSymbolicLink(link, _directory.File("disk", 8192));
        using IBlockDevice device = Open(link);
        Assert.Equal(8192, device.SizeBytes);
    }

    [Fact]
    public void Hard_part_15_one_owner_in_this_process_and_among_processes()
    {
        string path = _directory.File("disk", 8192);
        IBlockDevice device = Open(path);
        DeviceOpenResult second = DeviceFactory.Open(path);
        Assert.Equal(DeviceOpenError.Busy, second.Error);
        Assert.Contains(path, second.Message, StringComparison.Ordinal);
        Assert.NotEqual(0, Shell.TryRun("flock", "--exclusive", "--nonblock", path, "true").Status);
        device.Dispose();
        Shell.Run("flock", "--exclusive", "--nonblock", path, "true");

        using Process other = Process.Start(new ProcessStartInfo("flock", ["--exclusive", path, "sh", "-c", "echo held; read line"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        Assert.Equal("held", other.StandardOutput.ReadLine());
        Assert.Equal(DeviceOpenError.Busy, DeviceFactory.Open(path).Error);
        other.StandardInput.WriteLine();
        other.WaitForExit();
        Open(path).Dispose();
    }

    [Fact]
    public void Hard_part_16_a_grown_file_is_seen_when_asked_and_a_cut_one_reads_as_an_error()
    {
        string path = _directory.File("disk", 8192);
        using IBlockDevice device = Open(path);
        Shell.Run("truncate", "--size=16384", path);
        Assert.Equal(8192, device.SizeBytes);
        Assert.Equal(16384, device.RefreshSize());
        Assert.True(device.Write(16383, [9], forceUnitAccess: false).IsOk);
        Shell.Run("truncate", "--size=4096", path);
        Assert.Equal(DiskResult.Io, device.Read(4096, new byte[10]));
        Assert.Equal(DiskResult.Io, device.Read(4000, new byte[200]));
    }

    [Fact]
    public void Reads_writes_and_flushes_allocate_nothing()
    {
        using IBlockDevice device = Open(_directory.File("disk", 1 << 20));
        byte[] buffer = Pattern(4096);
        long before = 0;
        for (int round = 0; round < 60; round++)
        {
            if (round == 40)
                before = GC.GetAllocatedBytesForCurrentThread();
            device.Write(round * 4096, buffer, forceUnitAccess: false);
            device.Write(round * 4096, buffer, forceUnitAccess: true);
            device.Read(round * 4096, buffer);
            device.Flush();
            device.Discard(round * 4096, 4096);
            device.WriteZeroes(round * 4096, 4096, mayPunchHole: false, fastOnly: false);
            device.GetExtent(0, 1 << 20, out _);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    internal static byte[] Pattern(int length)
    {
        byte[] data = new byte[length];
        for (int i = 0; i < length; i++)
            data[i] = (byte)(i * 7 + (i >> 8) + 1);
        return data;
    }

    internal static IBlockDevice Open(string path)
    {
        DeviceOpenResult result = DeviceFactory.Open(path);
        Assert.Equal((DeviceOpenError.None, ""), (result.Error, result.Message));
        return result.Device!;
    }

    private static DeviceOpenError Refused(string path)
    {
        DeviceOpenResult result = DeviceFactory.Open(path);
        Assert.Null(result.Device);
        Assert.Contains(path, result.Message, StringComparison.Ordinal);
        return result.Error;
    }
}
