namespace BlockRepl.Daemon.Control;

/// <summary>Exit statuses of the command, which scripts and cluster managers depend on (docs/cli.md).</summary>
public static class ExitCodes
{
    /// <summary>Done, or it was so already.</summary>
    public const int Done = 0;

    /// <summary>Tried, and it failed.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong; nothing was tried.</summary>
    public const int Usage = 2;

    /// <summary>What was waited for did not happen in time.</summary>
    public const int TimedOut = 5;

    /// <summary>The configuration is refused or does not name what was asked for, or the daemon cannot be reached.</summary>
    public const int ConfigurationOrDaemon = 10;

    /// <summary>The state does not allow it.</summary>
    public const int StateRefused = 11;

    /// <summary>There is no local disk.</summary>
    public const int NoLocalDisk = 16;

    /// <summary>There is no UpToDate data to promote on.</summary>
    public const int NoUpToDateData = 17;

    /// <summary>A bug; the same number as <see cref="Primitives.Check.ExitCode"/>.</summary>
    public const int Bug = Primitives.Check.ExitCode;
}
