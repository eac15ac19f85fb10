namespace BlockRepl.Daemon.Control;

/// <summary>How a command ended.</summary>
/// <param name="ExitCode">One of <see cref="ExitCodes"/>.</param>
/// <param name="Message">
/// On success what there is to print, usually nothing. On refusal one line: what was refused and the state that caused it.
/// </param>
/// <param name="Hint">One line that says what would help; null when nothing would.</param>
public sealed record ControlResult(int ExitCode, string? Message = null, string? Hint = null)
{
    /// <summary>Done, nothing to say.</summary>
    public static ControlResult Done { get; } = new(ExitCodes.Done);

    /// <summary>Done, and this is the answer.</summary>
    public static ControlResult Answer(string text) => new(ExitCodes.Done, text);

    /// <summary>The state does not allow it (11).</summary>
    public static ControlResult Refused(string message, string? hint = null) => new(ExitCodes.StateRefused, message, hint);

    /// <summary>Tried and failed (1).</summary>
    public static ControlResult Failed(string message, string? hint = null) => new(ExitCodes.Failed, message, hint);

    /// <summary>A verb that this daemon lacks (1).</summary>
    public static ControlResult NotImplemented(ControlVerb verb) => new(
        ExitCodes.Failed,
        $"{ControlVerbs.NameOf(verb)} is not implemented yet: this daemon does not know how to do it",
        "see docs/cli.md for the verbs that this release has");
}
