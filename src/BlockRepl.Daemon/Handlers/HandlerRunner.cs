using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Handlers;

/// <summary>
/// Runs a resource's handlers: never on the caller's thread, calls whose order counts one after the other, each at most for the configured time. <see cref="Run"/> may be called from
/// any thread and does not block. <see cref="Dispose"/> kills what runs; its answers are not reported any more.
/// </summary>
internal sealed partial class HandlerRunner : IDisposable
{
    private readonly Func<ResourceConfiguration> _configuration;
    private readonly DaemonContext _context;
    private readonly Action<HandlerOutcome> _report;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopping;
    private readonly Lock _lock = new();
    private readonly Dictionary<HandlerKind, Task> _lanes = [];
    private readonly Dictionary<(string Handler, int ExitCode), (long Calls, long LastMs)> _tally = [];
    private bool _isDisposed;

    /// <param name="configuration">The resource as it is configured when a call is made. Any thread.</param>
    /// <param name="context">The daemon.</param>
    /// <param name="report">Takes each answer, on a thread of the pool.</param>
    public HandlerRunner(Func<ResourceConfiguration> configuration, DaemonContext context, Action<HandlerOutcome> report)
    {
        _configuration = configuration;
        _context = context;
        _report = report;
        _log = context.Loggers.CreateLogger("BlockRepl.Handler");
        _stopping = _stop.Token;
    }

    /// <summary>Queues a call behind those of its lane.</summary>
    public void Run(HandlerCall call)
    {
        lock (_lock)
        {
            HandlerKind lane = LaneOf(call.Kind);
            _lanes[lane] = RunAfterAsync(_lanes.GetValueOrDefault(lane, Task.CompletedTask), call);
        }
    }

    /// <summary>What came of the calls that were made, a row a handler and exit code.</summary>
    public IReadOnlyList<HandlerStatus> Tally()
    {
        lock (_lock)
        {
            if (_tally.Count == 0)
                return [];
            return
            [
                .. _tally.OrderBy(row => row.Key.Handler, StringComparer.Ordinal).ThenBy(row => row.Key.ExitCode)
                    .Select(row => new HandlerStatus(row.Key.Handler, row.Key.ExitCode, row.Value.Calls, (Environment.TickCount64 - row.Value.LastMs) / 1000)),
            ];
        }
    }

    /// <summary>Kills what runs, and runs nothing any more: every call, also one to come, is answered as broken.</summary>
    public void Stop() => _stop.Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        // Whatever runs is killed by this call itself.
        Volatile.Write(ref _isDisposed, true);
        _stop.Cancel();
        _stop.Dispose();
    }

    // What takes a fence away must not overtake what puts it up, and a snapshot is removed after it was made; all else stands for itself.
    private static HandlerKind LaneOf(HandlerKind kind) => kind switch
    {
        HandlerKind.UnfencePeer => HandlerKind.FencePeer,
        HandlerKind.AfterResyncTarget => HandlerKind.BeforeResyncTarget,
        HandlerKind.SplitBrain or HandlerKind.PriLostAfterSb => HandlerKind.InitialSplitBrain,
        _ => kind,
    };

    private async Task RunAfterAsync(Task before, HandlerCall call)
    {
        // Off the carrier's thread, whatever state the lane is in.
        await before.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        string name = HandlerNames.Of(call.Kind);
        ResourceConfiguration configuration = _configuration();
        HandlerOutcome outcome;
        if (_stopping.IsCancellationRequested)
        {
            outcome = new HandlerOutcome(call, HandlerOutcome.Broken, "the daemon is stopping");
        }
        else if (configuration.Handlers[call.Kind] is not { } command)
        {
            outcome = new HandlerOutcome(call, HandlerOutcome.Broken, "no such handler is configured");
        }
        else
        {
            LogCalled(_log, name, configuration.Name, command);
            var process = new HandlerProcess(name, configuration.Name, configuration.HandlerTimeout, _log);
            (int exitCode, string detail) = await process.RunAsync(command, HandlerEnvironment.For(call, configuration, _context), _stopping);
            outcome = new HandlerOutcome(call, exitCode, detail);
            Count(name, exitCode);
        }

        if (!Volatile.Read(ref _isDisposed))
            _report(outcome);
    }

    private void Count(string handler, int exitCode)
    {
        lock (_lock)
            _tally[(handler, exitCode)] = (_tally.GetValueOrDefault((handler, exitCode)).Calls + 1, Environment.TickCount64);
    }

    [LoggerMessage(EventId = 260, Level = LogLevel.Information, Message = "handler {Handler} of {Resource}: calling {Command}")]
    private static partial void LogCalled(ILogger logger, string handler, string resource, string command);
}
