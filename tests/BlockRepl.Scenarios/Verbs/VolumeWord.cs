using System.Globalization;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>How scripts name volumes: v0, v1.</summary>
internal static class VolumeWord
{
    /// <summary>The volume's number, or null if the word is no volume.</summary>
    public static int? Parse(string word) => word.Length is 2 or 3 && word[0] == 'v' && int.TryParse(word.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number
        : null;
}
