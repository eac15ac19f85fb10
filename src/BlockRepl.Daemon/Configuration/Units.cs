using System.Globalization;

namespace BlockRepl.Daemon.Configuration;

/// <summary>Sizes and times as the configuration and the command line write them.</summary>
public static class Units
{
    private static readonly (string Unit, long Bytes)[] SizeUnits =
        [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40), ("PiB", 1L << 50)];

    private static readonly (string Unit, long Milliseconds)[] TimeUnits =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

    /// <summary>Reads <c>64MiB</c>, <c>1GiB</c>, <c>512KiB</c> or plain bytes. False when it is none of these or above 2^63 - 1.</summary>
    public static bool TryParseSize(string text, out long bytes) => TryParse(text, SizeUnits, allowBare: true, out bytes);

    /// <summary>Reads <c>500ms</c>, <c>6s</c>, <c>2m</c> or <c>1h</c>. A bare number is refused: DRBD reads some in tenths of a second.</summary>
    public static bool TryParseTime(string text, out TimeSpan time)
    {
        // A day is beyond every use here and keeps the sum far from TimeSpan's limits.
        var fits = TryParse(text, TimeUnits, allowBare: false, out var ms) && ms <= 86_400_000;
        time = fits ? TimeSpan.FromMilliseconds(ms) : TimeSpan.Zero;
        return fits;
    }

    /// <summary>Writes a time in the largest unit that needs no fraction: <c>90s</c>, <c>500ms</c>, <c>2m</c>.</summary>
    public static string Format(TimeSpan time)
    {
        var ms = (long)time.TotalMilliseconds;
        return ms == 0 || ms % 1000 != 0 ? string.Create(CultureInfo.InvariantCulture, $"{ms}ms")
            : ms % 60_000 != 0 ? string.Create(CultureInfo.InvariantCulture, $"{ms / 1000}s")
            : string.Create(CultureInfo.InvariantCulture, $"{ms / 60_000}m");
    }

    private static bool TryParse(string text, (string Unit, long Factor)[] units, bool allowBare, out long value)
    {
        value = 0;
        var digits = text.AsSpan().TrimEnd("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ").Length;
        if (!long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return false;
        var suffix = text[digits..];
        if (suffix.Length == 0)
        {
            value = number;
            return allowBare;
        }
        foreach (var (unit, factor) in units)
        {
            if (suffix != unit)
                continue;
            if (number > long.MaxValue / factor)
                return false;
            value = number * factor;
            return true;
        }
        return false;
    }
}
