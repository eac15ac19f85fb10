using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Metadata.Inspection;

/// <summary>restore-md: what dump-md printed comes back, all of it, and nothing is overwritten unasked.</summary>
public sealed class RestoreTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly VolumeMetadataTool _tool = new(() => 77);

    private VolumePlace Place => new("mail", "postgres", _directory.File("a.img"), null, "alpha", ["beta"], 67);

    private VolumePlace External => new("mail", "postgres", _directory.File("a.img"), _directory.File("a.meta"), "alpha", ["beta"], 67);

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_dump_is_restored_to_the_last_mark(bool isExternal)
    {
        VolumePlace place = isExternal ? External : Place;
        WithContent(place);
        string dump = _tool.Dump(place, json: false).Message!;
        Assert.Equal(0, _tool.Wipe(place).ExitCode);
        ControlResult result = _tool.Restore(place, dump, force: false);
        Assert.True(result.ExitCode == 0, $"{result.Message}: {result.Hint}");
        Assert.Equal(0, _tool.Verify(place).ExitCode);
        Assert.Equal(Said(dump), Said(_tool.Dump(place, json: false).Message!));
        Assert.Contains("out-of-sync 3..4;", dump, StringComparison.Ordinal);
        Assert.Contains("extents 1;", dump, StringComparison.Ordinal);
    }

    /// <summary>Metadata that is there, intact or rotten, is not written over without force; with it, it is.</summary>
    [Fact]
    public void Over_live_metadata_it_is_refused_without_force()
    {
        WithContent(Place);
        string dump = _tool.Dump(Place, json: false).Message!;
        Assert.Equal(ExitCodes.StateRefused, _tool.Restore(Place, dump, force: false).ExitCode);
        Assert.Equal(0, _tool.Restore(Place, dump, force: true).ExitCode);
        using (IBlockDevice owner = DeviceFactory.Open(Place.Disk).Device!)
            Assert.Equal(ExitCodes.StateRefused, _tool.Restore(Place, dump, force: true).ExitCode);
        Assert.Equal(Said(dump), Said(_tool.Dump(Place, json: false).Message!));
    }

    [Theory]
    [InlineData("node \"alpha\"", "node \"beta\"", "the dump is that of")]
    [InlineData("data-bytes ", "data-bytes 1", "bytes of data")]
    [InlineData("meta-disk Internal", "meta-disk External", "the configuration says Internal")]
    [InlineData("out-of-sync 3..4", "out-of-sync 3..4000000", "beyond the volume's")]
    [InlineData("out-of-sync 3..4", "out-of-sync 4..3", "a run of blocks is")]
    [InlineData("extents 1;", "extents 999;", "beyond the volume's end")]
    [InlineData("flags Consistent", "flags Consistent Marvellous", "flag Marvellous")]
    [InlineData("version 2;", "version 3;", "format version 3")]
    [InlineData("activity-log {", "activity-log", "should stand")]
    [InlineData("}\n", "", "")]
    public void A_dump_that_does_not_fit_changes_nothing(string part, string replacement, string why)
    {
        WithContent(Place);
        string dump = _tool.Dump(Place, json: false).Message! + "\n";
        Assert.Contains(part, dump, StringComparison.Ordinal);
        Assert.Equal(0, _tool.Wipe(Place).ExitCode);
        ControlResult result = _tool.Restore(Place, dump.Replace(part, replacement, StringComparison.Ordinal), force: true);
        Assert.Equal(ExitCodes.StateRefused, result.ExitCode);
        Assert.Contains(why, result.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.StateRefused, _tool.Verify(Place).ExitCode);
    }

    // What is not about the copies and their places.
    private static string[] Said(string dump) =>
        [.. dump.Split('\n').Select(line => line.Split('#')[0].TrimEnd()).Where(line => line.Length > 0 && !line.Contains("write-sequence", StringComparison.Ordinal) && !line.Contains("transaction", StringComparison.Ordinal))];

    private void WithContent(VolumePlace place)
    {
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(place.Disk, 16 << 20, out _));
        Assert.Equal(ControlResult.Done, _tool.Create(place, force: false));
        using IBlockDevice disk = DeviceFactory.Open(place.Disk).Device!;
        using IBlockDevice? meta = place.MetaDisk is { } path ? DeviceFactory.Open(path).Device : null;
        VolumeMetadataStore store = VolumeMetadataStore.Open(disk, meta, null).Store!;
        var bitmap = new DirtyBitmap(store.Layout.DataBlocks);
        bitmap.Set(3, 2);
        bitmap.Set(700, 1);
        Assert.True(store.WriteBitmap(0, bitmap, 0, bitmap.BlockCount).IsOk);
        var extents = new uint[store.Layout.ActivityLogExtents];
        Array.Fill(extents, ActivityLogCodec.EmptySlot);
        extents[5] = 1;
        Assert.True(store.WriteActivityLog(store.DurableTransaction + 1, extents).IsOk);
        Assert.True(store.WriteSuperblock(store.Superblock with
        {
            Flags = SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate | SuperblockFlags.PrimaryIndicator,
            Current = new GenerationId(0xA000),
            History = [new GenerationId(0xB000), new GenerationId(0xC000)],
            AgreedBytes = store.Layout.DataBytes - Block.Size,
            BootId = Guid.NewGuid(),
            Peers = [new PeerSlot("beta", new GenerationId(0xD000), PeerSlotFlags.PrimaryAtSplit | PeerSlotFlags.SyncPaused)],
        }).IsOk);
    }
}
