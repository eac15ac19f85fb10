using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Replication;

/// <summary>The NBD clients of one volume, and what they are told that it is: who may come, who is here, and when the last has left. Thread-safe.</summary>
/// <param name="describe">The export with a size, as the volume is now.</param>
/// <param name="changed">Called when a client has come or gone; not under a lock.</param>
internal sealed class VolumeClients(Func<long, NbdExportInfo> describe, Action changed)
{
    private readonly Lock _lock = new();
    private readonly List<INbdClient> _clients = [];
    private NbdExportInfo _info = describe(0);
    private bool _isClosed;
    private TaskCompletionSource? _unused;

    /// <summary>Clients that are here.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _clients.Count;
        }
    }

    /// <summary>What a client that comes now is told.</summary>
    public NbdExportInfo Info => Volatile.Read(ref _info);

    /// <summary>Lets clients in again after <see cref="Close"/>.</summary>
    public void Open(long sizeBytes)
    {
        lock (_lock)
        {
            _isClosed = false;
            _info = describe(sizeBytes);
        }
    }

    /// <summary>Lets no client in. Returns false, having changed nothing, if there are some and <paramref name="abort"/> is not given.</summary>
    public bool Close(bool abort, string reason)
    {
        INbdClient[] clients;
        lock (_lock)
        {
            if (_clients.Count > 0 && !abort)
                return false;
            _isClosed = true;
            clients = [.. _clients];
        }

        foreach (INbdClient client in clients)
            client.Abort(reason);
        return true;
    }

    /// <summary>Admits a client unless the volume is closed.</summary>
    public bool TryAdd(INbdClient client, long sizeBytes)
    {
        lock (_lock)
        {
            if (_isClosed)
                return false;
            // A volume that has grown: who comes now sees the new size, who is connected keeps the one that it was told.
            if (_clients.Count == 0 || _info.SizeBytes != sizeBytes)
                _info = describe(sizeBytes);
            _clients.Add(client);
        }

        changed();
        return true;
    }

    /// <summary>The volume has grown under a client that can be told.</summary>
    public void TakeSize(long sizeBytes)
    {
        lock (_lock)
            _info = describe(sizeBytes);
    }

    /// <summary>A client has left.</summary>
    public void Remove(INbdClient client)
    {
        lock (_lock)
        {
            _clients.Remove(client);
            if (_clients.Count == 0)
                _unused?.TrySetResult();
        }

        changed();
    }

    /// <summary>Completes when the last client has left; at once if there is none.</summary>
    public Task WhenUnusedAsync()
    {
        lock (_lock)
        {
            if (_clients.Count == 0)
                return Task.CompletedTask;
            if (_unused is null || _unused.Task.IsCompleted)
                _unused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _unused.Task;
        }
    }
}
