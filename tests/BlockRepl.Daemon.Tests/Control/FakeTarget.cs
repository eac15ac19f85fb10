using System.Collections.Concurrent;
using System.Threading.Channels;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Tests.Control;

/// <summary>Resources without disks or peers: states are set by the test, commands are recorded and answered by it.</summary>
internal sealed class FakeTarget : IControlTarget
{
    private readonly Lock _gate = new();
    private readonly Channel<bool> _asked = Channel.CreateUnbounded<bool>();
    private readonly List<ResourceStatus> _resources;

    public FakeTarget(params ResourceStatus[] resources)
    {
        _resources = [.. resources];
        foreach (var resource in resources)
            Events.Publish(resource);
    }

    public EventHub Events { get; } = new();

    public ConcurrentQueue<ControlCommand> Commands { get; } = new();

    public Func<ControlCommand, ControlResult> Answer { get; set; } = _ => ControlResult.Done;

    /// <summary>What the watchdog is told.</summary>
    public string? StuckWith { get; set; }

    public string? Stuck()
    {
        _asked.Writer.TryWrite(true);
        return StuckWith;
    }

    /// <summary>Completes when the watchdog has asked again.</summary>
    public async Task AskedAsync()
    {
        while (_asked.Reader.TryRead(out _))
        {
            // Those before this call do not count.
        }

        await _asked.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
    }

    public bool Started { get; private set; }

    public bool Stopped { get; private set; }

    public void Set(ResourceStatus resource)
    {
        lock (_gate)
            _resources[_resources.FindIndex(r => r.Name == resource.Name)] = resource;
        Events.Publish(resource);
    }

    public ValueTask StartAsync(CancellationToken cancellationToken)
    {
        Started = true;
        return ValueTask.CompletedTask;
    }

    public IReadOnlyList<ResourceStatus> GetStatus()
    {
        lock (_gate)
            return [.. _resources];
    }

    public ValueTask<ControlResult> ExecuteAsync(ControlCommand command, CancellationToken cancellationToken)
    {
        Commands.Enqueue(command);
        return ValueTask.FromResult(Answer(command));
    }

    public ValueTask StopAsync(CancellationToken deadline)
    {
        Stopped = true;
        return ValueTask.CompletedTask;
    }
}
