namespace BlockRepl.Daemon.Configuration;

/// <summary>A resource's settings as the file has them.</summary>
internal static class WrittenSettings
{
    /// <summary>Every value but those of the volumes, by its key; keys of an inner mapping stand behind a dot.</summary>
    public static IReadOnlyDictionary<string, string> Of(YamlMap map)
    {
        SortedDictionary<string, string> written = new(StringComparer.Ordinal);
        Add(map, "", written);
        return written;
    }

    private static void Add(YamlMap map, string prefix, SortedDictionary<string, string> written)
    {
        foreach (var (key, value) in map.Entries)
        {
            if (prefix.Length == 0 && key.Value == "volumes")
                continue;
            if (value is YamlMap inner)
                Add(inner, prefix + key.Value + ".", written);
            else if (value is YamlText text)
                written[prefix + key.Value] = text.Value;
        }
    }
}
