namespace BlockRepl.Daemon.Control;

/// <summary>Answer to a request on the control socket: a result for each resource that was meant, in order.</summary>
/// <param name="Results">The results; one for a request that failed as a whole.</param>
public sealed record ControlResponse(IReadOnlyList<ControlResult> Results)
{
    /// <summary>The first failure's exit code, or 0.</summary>
    public int ExitCode => Results.FirstOrDefault(r => r.ExitCode != ExitCodes.Done)?.ExitCode ?? ExitCodes.Done;
}
