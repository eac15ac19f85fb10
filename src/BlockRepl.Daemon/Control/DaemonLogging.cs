using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace BlockRepl.Daemon.Control;

/// <summary>Logs of the daemon: to standard error, in journald's form when journald reads them.</summary>
internal static class DaemonLogging
{
    /// <summary>The level is Information, or what BLOCKREPL_LOG names (Trace, Debug, Information, Warning, Error).</summary>
    public static ILoggerFactory Create() => LoggerFactory.Create(logging =>
    {
        var level = Enum.TryParse<LogLevel>(Environment.GetEnvironmentVariable("BLOCKREPL_LOG"), ignoreCase: true, out var asked)
            ? asked : LogLevel.Information;
        logging.SetMinimumLevel(level);
        logging.AddFilter("Microsoft", level < LogLevel.Warning ? LogLevel.Warning : level);
        logging.Services.Configure<ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace);
        // systemd sets JOURNAL_STREAM when standard error is the journal.
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is { Length: > 0 })
            logging.AddSystemdConsole();
        else
            logging.AddSimpleConsole(o => (o.SingleLine, o.UseUtcTimestamp, o.TimestampFormat) = (true, true, "yyyy-MM-ddTHH:mm:ss.fffZ "));
    });
}
