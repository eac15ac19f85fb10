namespace BlockRepl.Daemon.Control;

/// <summary>What a command names: one resource, one volume, or everything.</summary>
/// <param name="Resource">The resource; null is <c>all</c>.</param>
/// <param name="Volume">The volume; null is each.</param>
public readonly record struct ControlName(string? Resource, string? Volume)
{
    /// <summary>Reads <c>RESOURCE</c>, <c>RESOURCE/VOLUME</c> or <c>all</c>; false when it is none of these.</summary>
    public static bool TryParse(string text, out ControlName name)
    {
        name = default;
        if (text == Configuration.NameRules.All)
            return true;
        var slash = text.IndexOf('/');
        var resource = slash < 0 ? text : text[..slash];
        var volume = slash < 0 ? null : text[(slash + 1)..];
        if (Configuration.NameRules.Refusal(resource) is not null || (volume is not null && Configuration.NameRules.Refusal(volume) is not null))
            return false;
        name = new ControlName(resource, volume);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        Resource is null ? Configuration.NameRules.All : Volume is null ? Resource : $"{Resource}/{Volume}";
}
