namespace BlockRepl.Daemon.Control;

/// <summary>How a daemon is started.</summary>
public sealed record DaemonOptions
{
    /// <summary>Configuration file.</summary>
    public required string ConfigurationFile { get; init; }

    /// <summary>This node's name; null is the host's.</summary>
    public string? Node { get; init; }

    /// <summary>Run directory.</summary>
    public required string RunDirectory { get; init; }

    /// <summary><c>--no-up</c>.</summary>
    public bool NoUp { get; init; }

    /// <summary>Makes the resources. Called once, with the run directory locked, before anything listens.</summary>
    public required Func<DaemonContext, IControlTarget> CreateTarget { get; init; }

    /// <summary>Called once, when the control socket answers.</summary>
    public Action? OnServing { get; init; }

    /// <summary>What this process lacks, a sentence each; logged at start.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Reads the environment in which a service manager says how to reach it.</summary>
    public Func<string, string?> ServiceManager { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>Where refusals to start are written.</summary>
    public TextWriter Error { get; init; } = Console.Error;
}
