namespace BlockRepl.Daemon.Control;

/// <summary>What came of a handler's calls since the daemon started, by exit code.</summary>
/// <param name="Handler">The handler's name.</param>
/// <param name="ExitCode">Its exit code; -1 where it was killed or could not be started.</param>
/// <param name="Calls">Calls that ended so.</param>
/// <param name="LastSeconds">Whole seconds since the last of them ended.</param>
public sealed record HandlerStatus(string Handler, int ExitCode, long Calls, long LastSeconds);
