namespace BlockRepl.Crash.Checks;

/// <summary>What dies.</summary>
internal enum Loss : byte
{
    /// <summary>The daemon: what it had written stays, but for calls under way.</summary>
    Process,

    /// <summary>The host: of what was not flushed some arrives, some does not, some in part.</summary>
    Power,

    /// <summary>As <see cref="Power"/>, and nothing arrives that was not flushed.</summary>
    PowerAndCaches,
}
