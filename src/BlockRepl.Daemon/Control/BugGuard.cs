using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Control;

/// <summary>Ends the process with exit status 42 on a bug: wrong data is worse than no data.</summary>
public static partial class BugGuard
{
    /// <summary>Makes every exception that leaves a thread end the process as a bug, after logging it.</summary>
    public static void Install(ILogger log)
    {
        AppDomain.CurrentDomain.UnhandledException += (_, e) =>
            Die(log, e.ExceptionObject as Exception ?? new BugException("an unknown exception"));
        TaskScheduler.UnobservedTaskException += (_, e) => LogUnobserved(log, e.Exception);
    }

    /// <summary>Logs and ends the process at once.</summary>
    public static void Die(ILogger log, Exception exception)
    {
        LogBug(log, exception);
        // The console logger writes from a thread of its own; standard error is written here as well, so that the reason is
        // never lost with the process.
        Console.Error.WriteLine($"blockrepl: bug: {exception}");
        NativeMethods.ExitNow(Check.ExitCode);
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Critical, Message = "bug; ending with exit status 42")]
    private static partial void LogBug(ILogger logger, Exception exception);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "a task failed and nobody looked")]
    private static partial void LogUnobserved(ILogger logger, Exception exception);
}
