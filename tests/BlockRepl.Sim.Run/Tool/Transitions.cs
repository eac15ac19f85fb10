namespace BlockRepl.Sim.Run;

/// <summary>The transitions that disks and replication may take, as an operator sees them: a state, and those that may follow it.</summary>
internal static class Transitions
{
    /// <summary>Between the states of a local disk.</summary>
    public static readonly string[] Disk =
    [
        .. From("Diskless", "Attaching"),
        .. From("Attaching", "Negotiating", "Inconsistent", "Outdated", "Consistent", "UpToDate", "Failed", "Diskless"),
        .. From("Negotiating", "Inconsistent", "Outdated", "UpToDate", "Failed", "Diskless"),
        .. From("Inconsistent", "Outdated", "Consistent", "UpToDate", "Failed", "Diskless"),
        .. From("Outdated", "Inconsistent", "UpToDate", "Failed", "Diskless"),
        .. From("Consistent", "Inconsistent", "Outdated", "UpToDate", "Failed", "Diskless"),
        .. From("UpToDate", "Inconsistent", "Outdated", "Consistent", "Failed", "Diskless"),
        .. From("Failed", "Diskless"),
    ];

    /// <summary>Between the states of replication.</summary>
    public static readonly string[] Replication =
    [
        // Ahead at once where what was held back for the connection is more than congestion-fill.
        .. From("Off", "Established", "WFBitMapS", "WFBitMapT", "Ahead"),
        .. From("Established", "Off", "WFBitMapS", "WFBitMapT", "VerifyS", "VerifyT", "Ahead", "Behind"),
        .. From("WFBitMapS", "SyncSource", "PausedSyncS", "Established", "Off"),
        .. From("WFBitMapT", "SyncTarget", "PausedSyncT", "Established", "Behind", "Off"),
        .. From("SyncSource", "Established", "PausedSyncS", "Ahead", "Off"),
        .. From("SyncTarget", "Established", "PausedSyncT", "Behind", "Off"),
        .. From("PausedSyncS", "SyncSource", "Established", "Ahead", "Off"),
        .. From("PausedSyncT", "SyncTarget", "Established", "Behind", "Off"),
        .. From("VerifyS", "Established", "WFBitMapS", "WFBitMapT", "Ahead", "Off"),
        .. From("VerifyT", "Established", "WFBitMapS", "WFBitMapT", "Behind", "Off"),
        .. From("Ahead", "Established", "WFBitMapS", "SyncSource", "Off"),
        .. From("Behind", "Established", "WFBitMapT", "SyncTarget", "Off"),
    ];

    private static string[] From(string from, params string[] to) => [.. to.Select(next => $"{from}>{next}")];
}
