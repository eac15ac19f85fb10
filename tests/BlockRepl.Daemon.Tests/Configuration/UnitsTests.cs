using BlockRepl.Daemon.Configuration;

namespace BlockRepl.Daemon.Tests.Configuration;

public sealed class UnitsTests
{
    [Theory]
    [InlineData("1", 1)]
    [InlineData("512KiB", 512L << 10)]
    [InlineData("64MiB", 64L << 20)]
    [InlineData("20GiB", 20L << 30)]
    [InlineData("3TiB", 3L << 40)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void A_size_is_read(string text, long bytes)
    {
        Assert.True(Units.TryParseSize(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MiB")]
    [InlineData("64MB")]
    [InlineData("64 MiB")]
    [InlineData("64mib")]
    [InlineData("1.5GiB")]
    [InlineData("-1")]
    [InlineData("9223372036854775808")]
    [InlineData("8388608TiB")]
    public void What_is_no_size_or_does_not_fit_is_refused(string text) => Assert.False(Units.TryParseSize(text, out _));

    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("6s", 6_000)]
    [InlineData("2m", 120_000)]
    [InlineData("24h", 86_400_000)]
    public void A_time_is_read(string text, int milliseconds)
    {
        Assert.True(Units.TryParseTime(text, out var read));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("6")]
    [InlineData("6S")]
    [InlineData("6 s")]
    [InlineData("-6s")]
    [InlineData("0.5s")]
    [InlineData("25h")]
    [InlineData("6sec")]
    public void What_is_no_time_is_refused(string text) => Assert.False(Units.TryParseTime(text, out _));

    [Theory]
    [InlineData(500, "500ms")]
    [InlineData(6_000, "6s")]
    [InlineData(90_000, "90s")]
    [InlineData(120_000, "2m")]
    [InlineData(0, "0ms")]
    public void A_time_is_written(int milliseconds, string text) =>
        Assert.Equal(text, Units.Format(TimeSpan.FromMilliseconds(milliseconds)));

    [Theory]
    [InlineData("10.0.0.1:7789", "10.0.0.1", 7789)]
    [InlineData("beta.example:1", "beta.example", 1)]
    [InlineData("[fd00::1]:65535", "fd00::1", 65535)]
    public void An_address_is_read_and_written(string text, string host, int port)
    {
        Assert.Equal(new NodeAddress(host, port), NodeAddress.TryParse(text));
        Assert.Equal(text, NodeAddress.TryParse(text)!.ToString());
    }

    [Theory]
    [InlineData("fd00::1:7789")]
    [InlineData("[10.0.0.1]:7789")]
    [InlineData("10.0.0.1:0")]
    [InlineData(":7789")]
    [InlineData("a b:7789")]
    public void What_is_no_address_is_refused(string text) => Assert.Null(NodeAddress.TryParse(text));
}
