namespace BlockRepl.Daemon.Control;

/// <summary>What the wait verbs wait for.</summary>
public enum WaitGoal
{
    /// <summary>Every connection is Connected.</summary>
    Connect,

    /// <summary>Everything is in sync.</summary>
    Sync,

    /// <summary>This node is Primary.</summary>
    Primary,
}
