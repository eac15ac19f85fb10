using BlockRepl.Daemon.Configuration;

namespace BlockRepl.Daemon.Adjust;

/// <summary>Says in words how two versions of a resource's settings differ, volumes apart.</summary>
internal static class SettingLines
{
    /// <summary>Whether the settings mean the same, however they are written.</summary>
    public static bool AreEqual(ResourceConfiguration before, ResourceConfiguration after) =>
        before with { Written = after.Written, Volumes = after.Volumes } == after;

    /// <summary>A line for each key that is written differently; one that says so where only the meaning of a value changed.</summary>
    public static List<string> Between(ResourceConfiguration before, ResourceConfiguration after)
    {
        List<string> lines = [];
        if (AreEqual(before, after))
            return lines;
        foreach (string key in before.Written.Keys.Union(after.Written.Keys).Order(StringComparer.Ordinal))
        {
            string old = before.Written.GetValueOrDefault(key, "default");
            string now = after.Written.GetValueOrDefault(key, "default");
            if (old != now)
                lines.Add($"{after.Name}: {key}: {old} -> {now}");
        }

        if (lines.Count == 0)
            lines.Add($"{after.Name}: settings read anew");
        return lines;
    }
}
