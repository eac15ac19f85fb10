namespace BlockRepl.Core;

/// <summary>
/// Answer to an operator's command, in the exit codes of the command line: 0 done, 1 failed, 11 the state does not allow
/// it, 16 no local disk, 17 no UpToDate data.
/// </summary>
/// <param name="ExitCode">The exit code.</param>
/// <param name="Message">What was refused and the state that caused it; empty on success.</param>
/// <param name="Hint">What would help; may be empty.</param>
public sealed record CommandResult(int ExitCode, string Message, string Hint)
{
    /// <summary>Done, or already so.</summary>
    public static readonly CommandResult Ok = new(0, "", "");

    /// <summary>Something failed on the way.</summary>
    public static CommandResult Failed(string message, string hint = "") => new(1, message, hint);

    /// <summary>The state does not allow it.</summary>
    public static CommandResult Refused(string message, string hint) => new(11, message, hint);

    /// <summary>There is no local disk.</summary>
    public static CommandResult NoDisk(string message, string hint) => new(16, message, hint);

    /// <summary>There is no UpToDate data to promote on (G6).</summary>
    public static CommandResult NoUpToDateData(string message, string hint) => new(17, message, hint);
}
