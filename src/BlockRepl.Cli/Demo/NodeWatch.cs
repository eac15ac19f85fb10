using System.Text.Json;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// Follows one daemon's events on a thread of its own, and keeps the resource's newest status. Ends when the daemon ends: then
/// <see cref="Status"/> is null. Thread-safe.
/// </summary>
internal sealed class NodeWatch : IDisposable
{
    private readonly ControlClient _client;
    private readonly string _resource;
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;
    private readonly Lock _lock = new();
    private TaskCompletionSource _change = NewChange();
    private ResourceStatus? _status;
    private long _outOfSyncBytesMax;

    /// <summary>Begins to follow.</summary>
    public NodeWatch(ControlClient client, string resource)
    {
        (_client, _resource) = (client, resource);
        _thread = new Thread(Follow) { IsBackground = true, Name = "demo events" };
        _thread.Start();
    }

    /// <summary>The resource as the daemon last told; null before its first word and after its end.</summary>
    public ResourceStatus? Status
    {
        get
        {
            lock (_lock)
                return _status;
        }
    }

    /// <summary>The most that was marked out of sync since the watch or <see cref="ForgetMost"/>, in bytes.</summary>
    public long OutOfSyncBytesMax
    {
        get
        {
            lock (_lock)
                return _outOfSyncBytesMax;
        }
    }

    /// <summary>Measures <see cref="OutOfSyncBytesMax"/> anew from here.</summary>
    public void ForgetMost()
    {
        lock (_lock)
            _outOfSyncBytesMax = 0;
    }

    /// <summary>Asks a daemon for a resource. Throws <see cref="CliRefusalException"/> where it does not answer.</summary>
    public static ResourceStatus Ask(ControlClient client, string resource, CancellationToken cancellationToken) =>
        JsonSerializer.Deserialize(client.StatusJson(resource, cancellationToken), ControlJson.Default.IReadOnlyListResourceStatus)![0];

    /// <summary>Ends at the next change. Take it before looking and await it after: then no change is missed.</summary>
    public Task NextChangeAsync()
    {
        lock (_lock)
            return _change.Task;
    }

    /// <summary>Asks the daemon now: counts and percentages move without an event.</summary>
    public void Refresh()
    {
        try
        {
            Set(Ask(_client, _resource, _stop.Token));
        }
        catch (Exception e) when (e is CliRefusalException or OperationCanceledException)
        {
            Set(null);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _thread.Join();
        _stop.Dispose();
    }

    private void Follow()
    {
        try
        {
            foreach (var line in _client.Events(_resource, now: false, _stop.Token))
            {
                Note(line);
                Refresh();
            }
        }
        catch (Exception e) when (e is CliRefusalException or OperationCanceledException)
        {
            Set(null);
        }
    }

    /// <summary>An event tells what was marked even if it is synced before anybody can ask.</summary>
    private void Note(string line)
    {
        using var document = JsonDocument.Parse(line);
        if (!document.RootElement.TryGetProperty("out_of_sync", out var bytes))
            return;
        lock (_lock)
            _outOfSyncBytesMax = Math.Max(_outOfSyncBytesMax, bytes.GetInt64());
    }

    private void Set(ResourceStatus? status)
    {
        TaskCompletionSource change;
        lock (_lock)
        {
            _status = status;
            var marked = status?.Connections.SelectMany(c => c.Volumes).Sum(v => v.OutOfSyncBytes) ?? 0;
            _outOfSyncBytesMax = Math.Max(_outOfSyncBytesMax, marked);
            (change, _change) = (_change, NewChange());
        }
        change.SetResult();
    }

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
