namespace BlockRepl.Sim;

/// <summary>An operator's command and its answer.</summary>
public sealed class CommandTicket
{
    /// <summary>The answer; null before there is one.</summary>
    public CommandResult? Result { get; set; }

    /// <summary>The answer's exit code; -1 before there is one.</summary>
    public int ExitCode => Result?.ExitCode ?? -1;
}
