namespace BlockRepl.Cli.Checking;

/// <summary>What a monitoring plugin answers; the values are its exit statuses. Ordered by what a person should look at first, but for Unknown.</summary>
public enum Health
{
    /// <summary>As it should be.</summary>
    Ok = 0,

    /// <summary>Works, and somebody should look at it by day.</summary>
    Warning = 1,

    /// <summary>Data is not served, or one failure away from being lost.</summary>
    Critical = 2,

    /// <summary>It cannot be told.</summary>
    Unknown = 3,
}
