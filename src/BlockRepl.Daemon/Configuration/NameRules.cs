namespace BlockRepl.Daemon.Configuration;

/// <summary>What nodes, resources and volumes may be called: names go into paths, certificates and command lines.</summary>
public static class NameRules
{
    /// <summary>The longest name, in characters.</summary>
    public const int LengthMax = 64;

    /// <summary>The word that names every resource on the command line, and so no single one.</summary>
    public const string All = "all";

    /// <summary>Null when <paramref name="name"/> is a legal name, else what is wrong with it.</summary>
    public static string? Refusal(string name)
    {
        if (name.Length == 0)
            return "is empty";
        if (name.Length > LengthMax)
            return "is longer than 64 characters";
        if (name is "." or "..")
            return "is a directory";
        return name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')
            ? null
            : "may only have letters, digits, '.', '_' and '-'";
    }
}
