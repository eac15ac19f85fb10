using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>The daemon cannot be asked: it is not there, it ended before it answered, or this user may not ask it.</summary>
/// <param name="result">The exit status, what was refused, what would help.</param>
public sealed class DaemonGoneException(ControlResult result) : CliRefusalException(result)
{
    /// <summary>The daemon may well be there, but this user may not ask it.</summary>
    public bool IsForbidden { get; init; }
}
