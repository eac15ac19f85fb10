namespace BlockRepl.Cli;

/// <summary>What the command line sees of the world: streams, environment, terminal. Tests make their own.</summary>
public sealed record CliConsole
{
    /// <summary>Answers go here, and nothing else.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Refusals, errors and hints.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Reads an environment variable.</summary>
    public required Func<string, string?> Environment { get; init; }

    /// <summary>True when <see cref="Out"/> is a terminal: colours and redrawing are welcome.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>This process's console.</summary>
    public static CliConsole OfProcess() => new()
    {
        Out = new StreamWriter(new StandardOutput(), bufferSize: 4096),
        Error = Console.Error,
        Environment = System.Environment.GetEnvironmentVariable,
        IsTerminal = !Console.IsOutputRedirected,
    };
}
