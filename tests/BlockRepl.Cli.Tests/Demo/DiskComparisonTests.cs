using BlockRepl.Cli.Demo;
using BlockRepl.Daemon.Tests.Control;

namespace BlockRepl.Cli.Tests.Demo;

/// <summary>The comparison at the end sees one byte, and looks at the data alone (G5).</summary>
public sealed class DiskComparisonTests
{
    private const int DataBytes = (5 << 20) + 4096;

    [Theory]
    [InlineData(0, false)]
    [InlineData((1 << 20) - 1, false)]
    [InlineData(DataBytes - 1, false)]
    [InlineData(DataBytes, true)]
    public void A_single_byte_counts_if_it_is_data(int at, bool isEqual)
    {
        using var directory = new TemporaryDirectory();
        var (left, right) = (directory.File("left"), directory.File("right"));
        var bytes = new byte[DataBytes + 8192];
        File.WriteAllBytes(left, bytes);
        bytes[at] = 0xab;
        File.WriteAllBytes(right, bytes);

        var difference = DiskComparison.FirstDifference(left, right, DataBytes, CancellationToken.None);
        Assert.Equal(isEqual ? null : $"the disks differ first at byte {at} (block {at / 4096}): 00 in {left}, ab in {right}", difference);
    }

    [Fact]
    public void A_disk_that_is_too_short_is_not_taken_for_equal()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllBytes(directory.File("left"), new byte[4096]);
        File.WriteAllBytes(directory.File("right"), new byte[4096]);
        Assert.Throws<IOException>(() =>
            DiskComparison.FirstDifference(directory.File("left"), directory.File("right"), 8192, CancellationToken.None));
    }
}
