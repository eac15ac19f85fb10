namespace BlockRepl.Core;

/// <summary>How a handler ended: <see cref="CoreEvent.Subject"/> of <see cref="CoreEventKind.HandlerCompleted"/>.</summary>
/// <param name="Call">The call that it answers.</param>
/// <param name="ExitCode">The program's exit code, or <see cref="Broken"/>.</param>
/// <param name="Detail">What happened, in words, where the exit code does not say it; else empty.</param>
public sealed record HandlerOutcome(HandlerCall Call, int ExitCode, string Detail)
{
    /// <summary>No answer: not configured, not startable, killed, or out of time.</summary>
    public const int Broken = -1;

    /// <summary>For the log and the status: the code, or why there is none.</summary>
    public string Text => Detail.Length > 0 ? Detail : $"exit code {ExitCode}";
}
