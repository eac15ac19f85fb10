namespace BlockRepl.Daemon.Control;

/// <summary>What each verb may be applied to.</summary>
public static class ControlVerbs
{
    /// <summary>True when the verb may name one volume; the others work on a whole resource.</summary>
    public static bool TakesVolume(ControlVerb verb) => verb switch
    {
        ControlVerb.Attach or ControlVerb.Detach or ControlVerb.Outdate or ControlVerb.Invalidate
            or ControlVerb.InvalidateRemote or ControlVerb.NewCurrentUuid or ControlVerb.Verify or ControlVerb.PauseSync
            or ControlVerb.ResumeSync or ControlVerb.Resize or ControlVerb.ShowGi or ControlVerb.GetGi
            or ControlVerb.DeviceAttach or ControlVerb.DeviceDetach => true,
        _ => false,
    };

    /// <summary>True when the verb must name one volume.</summary>
    public static bool NeedsVolume(ControlVerb verb) => verb is ControlVerb.DeviceAttach or ControlVerb.DeviceDetach;

    /// <summary>True when <c>all</c> means the configuration as a whole rather than each resource in turn: a changed file
    /// may have brought a resource that the daemon does not know yet.</summary>
    public static bool IsOnWholeConfiguration(ControlVerb verb) => verb == ControlVerb.Adjust;

    /// <summary>The verb as it stands on the command line: <c>pause-sync</c>.</summary>
    public static string NameOf(ControlVerb verb) => verb switch
    {
        ControlVerb.DeviceAttach => "device attach",
        ControlVerb.DeviceDetach => "device detach",
        _ => System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(verb.ToString()),
    };
}
