using System.Runtime.InteropServices;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon;

/// <summary>
/// The life of a daemon: read the configuration, lock the run directory, start the resources, serve the control socket, wait
/// for a signal, drain. One call is one daemon; it owns everything it starts.
/// </summary>
public static partial class DaemonHost
{
    /// <summary>How long draining may take. systemd's own patience is 90 s; this leaves it room.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Runs until SIGTERM, SIGINT or <paramref name="cancellationToken"/>, then drains. Answers the process's exit status; says
    /// on <see cref="DaemonOptions.Error"/> why it did not start.
    /// </summary>
    public static async Task<int> RunAsync(DaemonOptions options, CancellationToken cancellationToken)
    {
        using var loggers = DaemonLogging.Create();
        var log = loggers.CreateLogger("BlockRepl.Daemon");
        BugGuard.Install(log);
        try
        {
            var (configuration, node) = Load(options);
            if (configuration is null || node is null)
                return ExitCodes.ConfigurationOrDaemon;
            ProgramFiles.LoadAll();
            using var directory = RunDirectory.Open(options.RunDirectory);
            LogStarting(log, node, options.ConfigurationFile, directory.Path);
            foreach (var line in options.Warnings.Concat(configuration.Warnings))
                LogWarning(log, line);
            var events = new EventHub();
            var target = options.CreateTarget(
                new DaemonContext(configuration, node, directory, !options.NoUp, events, loggers));
            await ServeAsync(target, events, directory, options, loggers, log, cancellationToken);
            return ExitCodes.Done;
        }
        catch (DaemonStartException e)
        {
            options.Error.WriteLine($"blockrepl daemon: {e.Message}");
            if (e.Hint is not null)
                options.Error.WriteLine($"blockrepl daemon: {e.Hint}");
            return e.ExitCode;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogBug(log, e);
            options.Error.WriteLine($"blockrepl daemon: bug: {e}");
            return Check.ExitCode;
        }
    }

    private static (ClusterConfiguration? Configuration, string? Node) Load(DaemonOptions options)
    {
        var (configuration, errors) = ConfigurationReader.Read(options.ConfigurationFile);
        foreach (var error in errors)
            options.Error.WriteLine(error);
        if (configuration is null)
            return default;
        var node = HostName.FindNode(configuration, options.Node, out var refusal);
        if (node is null)
        {
            options.Error.WriteLine(refusal);
            options.Error.WriteLine("name this node with --node or BLOCKREPL_NODE");
        }
        return (configuration, node);
    }

    private static async Task ServeAsync(
        IControlTarget target, EventHub events, RunDirectory directory, DaemonOptions options, ILoggerFactory loggers, ILogger log,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            LogHangup(log);
        });
        var notifier = new SystemdNotifier(options.ServiceManager);
        try
        {
            await target.StartAsync(stop.Token);
            foreach (var resource in target.GetStatus())
                events.Publish(resource);
            await using var server = await ControlServer.StartAsync(directory.ControlSocket, target, events, loggers, stop.Token);
            notifier.Ready();
            LogServing(log, directory.ControlSocket);
            options.OnServing?.Invoke();
            await WatchAsync(target, notifier, log, stop.Token);
            notifier.Stopping();
            LogStopping(log);
            using var patience = new CancellationTokenSource(StopPatience);
            // The control socket outlives the drain, so that status can say what it waits for.
            await target.StopAsync(patience.Token);
            await server.StopAsync(patience.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            using var patience = new CancellationTokenSource(StopPatience);
            await target.StopAsync(patience.Token);
        }
        LogStopped(log);

        void Stop(PosixSignalContext context)
        {
            // The default would end the process here; draining ends it instead.
            context.Cancel = true;
            stop.Cancel();
        }
    }

    /// <summary>Waits for the end. While systemd watches, proves at each interval that no resource is stuck.</summary>
    private static async Task WatchAsync(IControlTarget target, SystemdNotifier notifier, ILogger log, CancellationToken stop)
    {
        if (notifier.WatchdogInterval is not { } interval)
        {
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = stop.Register(ended.SetResult);
            await ended.Task;
            return;
        }
        using var timer = new PeriodicTimer(interval);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                // Each resource's gate can be had, and its clock ticks: peers hear from this node, and time-outs count.
                if (target.Stuck() is not { } stuck)
                    notifier.Alive();
                else
                    LogStuck(log, stuck);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end that was waited for.
        }
    }

    [LoggerMessage(EventId = 10, Level = LogLevel.Information, Message = "node {Node} starting with {File}, run directory {Directory}")]
    private static partial void LogStarting(ILogger logger, string node, string file, string directory);

    [LoggerMessage(EventId = 11, Level = LogLevel.Warning, Message = "{Warning}")]
    private static partial void LogWarning(ILogger logger, string warning);

    [LoggerMessage(EventId = 12, Level = LogLevel.Information, Message = "serving; control socket {Socket}")]
    private static partial void LogServing(ILogger logger, string socket);

    [LoggerMessage(EventId = 13, Level = LogLevel.Information, Message = "stopping: draining")]
    private static partial void LogStopping(ILogger logger);

    [LoggerMessage(EventId = 14, Level = LogLevel.Information, Message = "stopped")]
    private static partial void LogStopped(ILogger logger);

    [LoggerMessage(EventId = 15, Level = LogLevel.Warning, Message = "SIGHUP: a changed configuration is applied by \"blockrepl adjust all\"; nothing was re-read")]
    private static partial void LogHangup(ILogger logger);

    [LoggerMessage(EventId = 17, Level = LogLevel.Critical, Message = "the service manager is not told that the daemon is alive, and will end it: {Stuck}")]
    private static partial void LogStuck(ILogger logger, string stuck);

    [LoggerMessage(EventId = 16, Level = LogLevel.Critical, Message = "bug; ending with exit status 42")]
    private static partial void LogBug(ILogger logger, Exception exception);
}
