using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Device;

namespace BlockRepl.Daemon.Tests.Metadata.Inspection;

/// <summary>The verbs that only look, on real files: exit statuses, and that they need nobody's leave.</summary>
public sealed class LookVerbTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly VolumeMetadataTool _tool = new(() => 77);

    private VolumePlace Place => new("mail", "postgres", _directory.File("a.img"), null, "alpha", ["beta"], 67);

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void They_work_beside_an_owner_of_the_disk_and_change_nothing()
    {
        Create();
        using IBlockDevice owner = DeviceFactory.Open(Place.Disk).Device!;
        byte[] before = Content(owner);
        Assert.Equal(0, _tool.Dump(Place, json: false).ExitCode);
        Assert.StartsWith("{\"volume\":\"mail/postgres\"", _tool.Dump(Place, json: true).Message, StringComparison.Ordinal);
        Assert.Equal((0, "mail/postgres: metadata is intact"), (_tool.Verify(Place).ExitCode, _tool.Verify(Place).Message));
        Assert.StartsWith("mail/postgres@beta 0000000000000004:", _tool.Generations(Place, explain: false).Message, StringComparison.Ordinal);
        Assert.Equal(before, Content(owner));
        Assert.Equal(ExitCodes.StateRefused, _tool.Wipe(Place).ExitCode);
    }

    [Fact]
    public void A_missing_disk_is_16_and_missing_metadata_is_11()
    {
        Assert.Equal(ExitCodes.NoLocalDisk, _tool.Verify(Place).ExitCode);
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(Place.Disk, 8 << 20, out _));
        ControlResult result = _tool.Dump(Place, json: false);
        Assert.Equal(ExitCodes.StateRefused, result.ExitCode);
        Assert.NotNull(result.Hint);
    }

    [Fact]
    public void Verify_is_0_with_a_warning_for_a_spare_copy_and_1_for_damage()
    {
        Create();
        long size = new FileInfo(Place.Disk).Length;
        Rot(size - 100);
        ControlResult result = _tool.Verify(Place);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("warning: superblock copy 1", result.Message, StringComparison.Ordinal);
        Rot(size - (256 << 10) + 100);
        result = _tool.Verify(Place);
        Assert.Equal(ExitCodes.Failed, result.ExitCode);
        Assert.Contains("damage: superblock copy 0", result.Message, StringComparison.Ordinal);
        Assert.Contains("create-md --force", result.Hint, StringComparison.Ordinal);
        Assert.Equal(0, _tool.Dump(Place, json: false).ExitCode);
        Assert.Equal(ExitCodes.Failed, _tool.Generations(Place, explain: true).ExitCode);
    }

    private static byte[] Content(IBlockDevice device)
    {
        byte[] content = new byte[device.SizeBytes];
        Assert.True(device.Read(0, content).IsOk);
        return content;
    }

    private void Create()
    {
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(Place.Disk, 8 << 20, out _));
        Assert.Equal(ControlResult.Done, _tool.Create(Place, force: false));
    }

    private void Rot(long offset)
    {
        using FileStream file = File.OpenWrite(Place.Disk);
        file.Position = offset;
        file.WriteByte(0x5A);
    }
}
