namespace BlockRepl.Daemon.Control;

/// <summary>The refusal for a name that the configuration does not have: exit status 10, as drbdadm answers.</summary>
public static class UndefinedName
{
    /// <summary>No such resource.</summary>
    public static ControlResult Resource(string name, IEnumerable<string> defined) => new(
        ExitCodes.ConfigurationOrDaemon, $"resource \"{name}\" is not defined in the configuration", "defined: " + List(defined));

    /// <summary>No such volume.</summary>
    public static ControlResult Volume(string resource, string name, IEnumerable<string> defined) => new(
        ExitCodes.ConfigurationOrDaemon, $"volume \"{resource}/{name}\" is not defined in the configuration",
        "defined: " + List(defined.Select(v => $"{resource}/{v}")));

    private static string List(IEnumerable<string> names)
    {
        var list = string.Join(", ", names);
        return list.Length == 0 ? "none" : list;
    }
}
