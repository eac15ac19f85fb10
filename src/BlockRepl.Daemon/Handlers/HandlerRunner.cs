using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Configuration;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Handlers;

/// <summary>
/// Runs a resource's handlers: never on the caller's thread, calls whose order counts one after the other, each at most for the configured time. <see cref="Run"/> may be called from
/// any thread and does not block. <see cref="Dispose"/> kills what runs; its answers are not reported any more.
/// </summary>
internal sealed partial class HandlerRunner : IDisposable
{
    private readonly ResourceConfiguration _configuration;
    private readonly DaemonContext _context;
    private readonly Action<HandlerOutcome> _report;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopping;
    private readonly Lock _lock = new();
    private readonly Dictionary<HandlerKind, Task> _lanes = [];

    /// <param name="configuration">The resource.</param>
    /// <param name="context">The daemon.</param>
    /// <param name="report">Takes each answer, on a thread of the pool.</param>
    public HandlerRunner(ResourceConfiguration configuration, DaemonContext context, Action<HandlerOutcome> report)
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

    /// <inheritdoc/>
    public void Dispose()
    {
        // Whatever runs is killed by this call itself; what waits ends without having begun.
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
        HandlerOutcome outcome;
        if (_stopping.IsCancellationRequested)
            return;
        if (_configuration.Handlers[call.Kind] is not { } command)
        {
            outcome = new HandlerOutcome(call, HandlerOutcome.Broken, "no such handler is configured");
        }
        else
        {
            LogCalled(_log, name, _configuration.Name, command);
            var process = new HandlerProcess(name, _configuration.Name, _configuration.HandlerTimeout, _log);
            (int exitCode, string detail) = await process.RunAsync(command, HandlerEnvironment.For(call, _configuration, _context), _stopping);
            outcome = new HandlerOutcome(call, exitCode, detail);
        }

        if (!_stopping.IsCancellationRequested)
            _report(outcome);
    }

    [LoggerMessage(EventId = 260, Level = LogLevel.Information, Message = "handler {Handler} of {Resource}: calling {Command}")]
    private static partial void LogCalled(ILogger logger, string handler, string resource, string command);
}
