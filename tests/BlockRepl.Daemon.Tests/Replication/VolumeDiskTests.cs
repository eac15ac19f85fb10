using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Replication;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

public class VolumeDiskTests
{
    /// <summary>G1: a failed disk says itself that it may lack data, and says nothing else that was not durable on it before.</summary>
    [Theory]
    [InlineData(SuperblockFlags.LostPower)]
    [InlineData(SuperblockFlags.Outdated)]
    [InlineData(SuperblockFlags.LostPower | SuperblockFlags.Outdated)]
    public async Task A_failed_disk_notes_its_loss_with_the_generation_that_is_durable_on_it(SuperblockFlags flags)
    {
        using var directory = new TemporaryDirectory();
        string path = directory.File("disk.img");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(path, 16 << 20, out _));
        var place = new VolumePlace("r", "v", path, null, "alpha", ["beta"], 67);
        Assert.Equal(0, new VolumeMetadataTool(() => 1).Create(place, force: false).ExitCode);

        VolumeDisk disk = Open(path, out Superblock before);
        Func<DiskResult>? note = disk.Detach(flags);
        Assert.Equal(DiskResult.Io, disk.Flush());
        Assert.False(disk.Closed.IsCompleted);
        Assert.Equal(DiskResult.Ok, note!());
        await disk.Closed;

        VolumeDisk again = Open(path, out Superblock after);
        Assert.Equal(before with { Flags = before.Flags | flags }, after);
        Assert.Null(again.Detach(0));
        await again.Closed;
    }

    private static VolumeDisk Open(string path, out Superblock superblock)
    {
        IBlockDevice device = DeviceFactory.Open(path).Device!;
        MetadataOpenResult opened = VolumeMetadataStore.Open(device, null, null);
        superblock = opened.Loaded!.Superblock;
        return new VolumeDisk(device, null, opened.Store!);
    }
}
