using System.Globalization;
using System.Text.RegularExpressions;

namespace BlockRepl.Scenarios.Language;

/// <summary>Sizes, times and names as scripts write them.</summary>
internal static partial class Units
{
    /// <summary>Bytes of <c>4k</c>, <c>1MiB</c>, <c>512</c>; null if it is no size.</summary>
    public static long? Size(string word)
    {
        Match match = SizePattern().Match(word);
        if (!match.Success)
            return null;
        long number = long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
        return match.Groups[2].Value switch
        {
            "" => number,
            "k" or "KiB" => number << 10,
            "m" or "MiB" => number << 20,
            _ => number << 30,
        };
    }

    /// <summary>Milliseconds of <c>500ms</c>, <c>5s</c>, <c>2m</c>; null if it is no time.</summary>
    public static long? TimeMs(string word)
    {
        Match match = TimePattern().Match(word);
        if (!match.Success)
            return null;
        long number = long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
        return match.Groups[2].Value switch
        {
            "ms" => number,
            "s" => number * 1_000,
            _ => number * 60_000,
        };
    }

    /// <summary>What is between quotation marks.</summary>
    public static string Unquote(string word) => word.Length >= 2 && word[0] == '"' ? word[1..^1] : word;

    /// <summary>A name without hyphens and case: <c>after-sb-0pri</c> is <c>AfterSb0Pri</c>.</summary>
    public static string Plain(string name) => name.Replace("-", "", StringComparison.Ordinal).ToUpperInvariant();

    /// <summary>The value of an enumeration that a word names, with or without hyphens; null if none.</summary>
    public static T? Named<T>(string word)
        where T : struct, Enum
    {
        foreach (T value in Enum.GetValues<T>())
        {
            if (Plain(value.ToString()) == Plain(word))
                return value;
        }

        return null;
    }

    [GeneratedRegex(@"^(\d+)(|k|KiB|m|MiB|g|GiB)$")]
    private static partial Regex SizePattern();

    [GeneratedRegex(@"^(\d+)(ms|s|m)$")]
    private static partial Regex TimePattern();
}
