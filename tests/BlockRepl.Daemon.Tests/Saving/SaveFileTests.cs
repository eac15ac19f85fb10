using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Saving;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Daemon.Tests.Replication;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Saving;

/// <summary>Save files on real directories: written, checked, restored, shown over NBD.</summary>
public sealed class SaveFileTests : IDisposable
{
    private const long VolumeBytes = (4L << 20) + 513;

    private readonly TemporaryDirectory _directory = new();
    private readonly MemorySource _source = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Marked_blocks_are_saved_and_nothing_else()
    {
        string path = Save(Marks(0, 3, 600, 1024));
        using SaveFileReader file = Opened(path);
        Assert.Equal([0L, 3L << 12, 600L << 12, 1024L << 12], file.Runs.ToArray().Select(run => run.Offset));
        Assert.Equal(513, file.Runs[^1].Length);
        Assert.Equal(3 * 4096 + 513, file.SavedBytes);
        Assert.Empty(file.Verify());
        Assert.Equal(["mail-spool-20261118T110640.123Z.brsave"], Directory.GetFiles(_directory.Path).Select(Path.GetFileName));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public void A_long_run_is_split_and_zeroes_take_no_room()
    {
        _source.Bytes.AsSpan(0, 3 << 20).Clear();
        var marks = new DirtyBitmap(Block.CountFor(VolumeBytes));
        marks.SetAll();
        using SaveFileReader file = Opened(Save(marks));
        Assert.True(file.Runs[0] is { IsZeroes: true, Length: 3 << 20 });
        Assert.All(file.Runs[1..].ToArray(), run => Assert.True(run.Length <= SaveFileCodec.DataBytesMax));
        Assert.Equal(VolumeBytes, file.SavedBytes);
        Assert.True(new FileInfo(file.Path).Length < 2 << 20);
    }

    [Fact]
    public void A_whole_volume_is_saved_with_its_holes()
    {
        using SaveFileReader file = Opened(Save(null));
        Assert.Equal(SaveFileScope.WholeVolume, file.Header.Scope);
        Assert.Equal(VolumeBytes, file.SavedBytes);
        Assert.Contains(file.Runs.ToArray(), run => run.IsZeroes);
        string image = Path.Combine(_directory.Path, "image");
        Assert.Equal(0, SavedBlocks.Restore(file.Path, image, force: false).ExitCode);
        Assert.Equal(_source.Bytes, File.ReadAllBytes(image));
    }

    [Fact]
    public void Restoring_twice_is_the_same_as_once_and_touches_nothing_else()
    {
        string path = Save(Marks(0, 3, 600, 1024));
        string image = Path.Combine(_directory.Path, "image");
        byte[] before = new byte[VolumeBytes];
        Array.Fill(before, (byte)0xEE);
        File.WriteAllBytes(image, before);
        byte[] expected = [.. before];
        foreach (int block in new[] { 0, 3, 600, 1024 })
            _source.Bytes.AsSpan(block << 12, Math.Min(4096, expected.Length - (block << 12))).CopyTo(expected.AsSpan(block << 12));
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(0, SavedBlocks.Restore(path, image, force: false).ExitCode);
            Assert.Equal(expected, File.ReadAllBytes(image));
        }
    }

    [Fact]
    public void G10_a_damaged_file_is_named_and_not_restored()
    {
        string path = Save(Marks(0, 600));
        byte[] bytes = File.ReadAllBytes(path);
        bytes[4096 + 4096 + 7] ^= 1;
        File.WriteAllBytes(path, bytes);
        string image = Path.Combine(_directory.Path, "image");
        ControlResult shown = SavedBlocks.Show(path);
        Assert.Equal(1, shown.ExitCode);
        Assert.Contains("1 runs are damaged, the first at 2457600", shown.Message, StringComparison.Ordinal);
        Assert.Equal(1, SavedBlocks.Restore(path, image, force: false).ExitCode);
        Assert.False(File.Exists(image));

        bytes[20] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Contains("damaged", SavedBlocks.Show(path).Message, StringComparison.Ordinal);
        Assert.Contains("damaged", SavedBlocks.List(_directory.Path).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Show_and_list_say_what_it_is()
    {
        string path = Save(Marks(5));
        ControlResult shown = SavedBlocks.Show(path);
        Assert.Equal(0, shown.ExitCode);
        foreach (string line in new[] { "volume: mail/spool", "node: beta", "replaced by the data of: alpha", "saved: 2026-11-18T11:06:40Z", "bytes: 4096 in 1 runs", "checksums: right" })
            Assert.Contains(line, shown.Message, StringComparison.Ordinal);
        Assert.Equal($"{path} mail/spool node:beta saved:2026-11-18T11:06:40Z bytes:4096", SavedBlocks.List(_directory.Path).Message);
    }

    [Fact]
    public void A_source_that_cannot_be_read_leaves_nothing_behind()
    {
        _source.Result = DiskResult.Io;
        Assert.Throws<IOException>(() => Save(Marks(1)));
        Assert.Empty(Directory.GetFiles(_directory.Path));
    }

    [Fact]
    public void Two_saves_of_one_moment_have_names_of_their_own() => Assert.NotEqual(Save(Marks(1)), Save(Marks(1)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_export_shows_the_saved_blocks_over_an_image_or_zeroes(bool overImage)
    {
        using SaveFileReader file = Opened(Save(Marks(0, 3, 600, 1024)));
        string image = Path.Combine(_directory.Path, "image");
        byte[] below = new byte[VolumeBytes - 4096];
        Array.Fill(below, (byte)0xEE);
        File.WriteAllBytes(image, below);
        using Microsoft.Win32.SafeHandles.SafeFileHandle? over = overImage ? File.OpenHandle(image) : null;
        var export = new SaveFileExport(file, over);
        using var client = new Client(export);
        foreach (int offset in new[] { 0, 4000, 8192, 600 << 12, (1024 << 12) - 100 })
        {
            int length = (int)Math.Min(9000, VolumeBytes - offset);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, offset, length));
            for (int i = 0; i < length; i++)
            {
                int at = offset + i;
                byte expected = (at >> 12) is 0 or 3 or 600 or 1024 ? _source.Bytes[at] : overImage && at < below.Length ? (byte)0xEE : (byte)0;
                if (client.Data[i] != expected)
                    Assert.Fail($"byte {at}: {client.Data[i]}, not {expected}");
            }
        }

        Assert.Equal(NbdError.EPERM, client.Do(NbdCommand.Write, 0, 512));
        Assert.Equal(VolumeBytes, export.Info.SizeBytes);
    }

    private static SaveFileReader Opened(string path)
    {
        SaveFileReader? file = SaveFileReader.Open(path, out string why);
        Assert.True(file is not null, why);
        return file;
    }

    private static DirtyBitmap Marks(params int[] blocks)
    {
        var marks = new DirtyBitmap(Block.CountFor(VolumeBytes) + 1);
        foreach (int block in blocks)
            marks.Set(block, 1);
        return marks;
    }

    private string Save(DirtyBitmap? marks) => SaveFileWriter.Write(
        _directory.Path,
        new SaveFileHeader
        {
            ResourceName = "mail",
            VolumeName = "spool",
            NodeName = "beta",
            PeerName = "alpha",
            VolumeBytes = VolumeBytes,
            Scope = marks is null ? SaveFileScope.WholeVolume : SaveFileScope.MarkedHere,
            SavedMs = 1_795_000_000_123,
            Generation = new GenerationId(0x1000),
        },
        marks,
        _source);

    /// <summary>A volume with data everywhere but in one hole.</summary>
    private sealed class MemorySource : ISaveSource
    {
        private const long HoleAt = (1 << 20) + 100;
        private const long HoleEnd = (2 << 20) - 100;

        public MemorySource()
        {
            new Random(1).NextBytes(Bytes);
            Bytes.AsSpan((int)HoleAt, (int)(HoleEnd - HoleAt)).Clear();
        }

        public byte[] Bytes { get; } = new byte[VolumeBytes];

        public DiskResult Result { get; set; }

        public DiskResult Read(long offset, Span<byte> destination)
        {
            Bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
            return Result;
        }

        public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
        {
            bool isHole = offset is >= HoleAt and < HoleEnd;
            long end = isHole ? HoleEnd : offset < HoleAt ? HoleAt : VolumeBytes;
            extent = new DeviceExtent(Math.Min(length, end - offset), isHole);
            return DiskResult.Ok;
        }
    }
}
