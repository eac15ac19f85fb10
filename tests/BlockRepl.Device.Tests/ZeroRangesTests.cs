using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device.Tests;

/// <summary>Disks that can do less than the ones at hand.</summary>
public sealed class ZeroRangesTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Hard_part_13_a_disk_that_can_do_nothing_has_its_zeroes_written_and_its_trims_refused()
    {
        using SafeFileHandle file = Filled(out byte[] model);
        var zeroes = new ZeroRanges(512, canPunch: false, canZero: false);
        Assert.False(zeroes.CanZeroFast);
        Assert.Equal(DiskResult.NotSupported, zeroes.Punch(file, 100, 5000));
        Assert.Equal(DiskResult.NotSupported, zeroes.Zero(file, 100, 5000, mayPunchHole: true, fastOnly: true));
        Check(file, model);
        Assert.Equal(DiskResult.Ok, zeroes.Zero(file, 100, 1_500_000, mayPunchHole: true, fastOnly: false));
        model.AsSpan(100, 1_500_000).Clear();
        Check(file, model);
    }

    [Theory]
    [InlineData(512, 100, 50)]
    [InlineData(512, 100, 5000)]
    [InlineData(4096, 4095, 4098)]
    [InlineData(4096, 8192, 4096)]
    [InlineData(4096, 1, 1_999_998)]
    public void Ends_that_are_not_whole_sectors_are_written_exactly(int alignment, int offset, int length)
    {
        foreach (bool punch in new[] { false, true })
        {
            using SafeFileHandle file = Filled(out byte[] model);
            var zeroes = new ZeroRanges(alignment, canPunch: true, canZero: true);
            Assert.Equal(DiskResult.Ok, punch ? zeroes.Punch(file, offset, length) : zeroes.Zero(file, offset, length, false, false));
            model.AsSpan(offset, length).Clear();
            Check(file, model);
        }
    }

    private SafeFileHandle Filled(out byte[] model)
    {
        model = BufferedFileDeviceTests.Pattern(2_000_000);
        string path = Path.Combine(_directory.Root, Path.GetRandomFileName());
        File.WriteAllBytes(path, model);
        return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
    }

    private static void Check(SafeFileHandle file, byte[] model)
    {
        byte[] back = new byte[model.Length];
        Assert.Equal(back.Length, RandomAccess.Read(file, back, 0));
        Assert.Equal(model.Length, RandomAccess.GetLength(file));
        Assert.True(back.AsSpan().SequenceEqual(model));
    }
}
