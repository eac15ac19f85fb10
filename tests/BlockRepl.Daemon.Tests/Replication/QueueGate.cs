using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>
/// Stands before a disk's queue: counts what comes by, keeps requests back as a kernel does that gets no answer from its disk, or answers them with an error. Calls pass. Owns the device.
/// </summary>
internal sealed class QueueGate(IBlockDevice inner) : FilterDevice(inner), IDeviceQueue, IDeviceCompletions
{
    private readonly Lock _lock = new();
    private readonly List<DeviceRequest> _held = [];
    private IDeviceQueue _queue = null!;
    private IDeviceCompletions _observer = null!;
    private bool _isHolding;
    private int _begun;
    private DiskResult _error;

    /// <summary>Requests that were begun.</summary>
    public int Begun => Volatile.Read(ref _begun);

    /// <summary>Requests that are kept back.</summary>
    public int Held
    {
        get
        {
            lock (_lock)
                return _held.Count;
        }
    }

    public bool IsIdle => _queue.IsIdle && Held == 0;

    public override IDeviceQueue? StartQueue(IDeviceCompletions completions)
    {
        _observer = completions;
        _queue = Inner.StartQueue(this)!;
        Assert.NotNull(_queue);
        return this;
    }

    /// <summary>What is begun from now on does not get to the disk.</summary>
    public void Hold()
    {
        lock (_lock)
            _isHolding = true;
    }

    /// <summary>What was kept back gets to the disk now.</summary>
    public void Release()
    {
        DeviceRequest[] held;
        lock (_lock)
        {
            _isHolding = false;
            held = [.. _held];
            _held.Clear();
        }

        foreach (DeviceRequest request in held)
            Assert.True(_queue.TryBegin(request));
        _queue.Submit();
    }

    /// <summary>What comes back from now on has failed.</summary>
    public void Fail(DiskResult error)
    {
        lock (_lock)
            _error = error;
    }

    public bool TryBegin(DeviceRequest request)
    {
        lock (_lock)
        {
            if (_isHolding)
            {
                _begun++;
                _held.Add(request);
                return true;
            }
        }

        if (!_queue.TryBegin(request))
            return false;
        Interlocked.Increment(ref _begun);
        return true;
    }

    public void Submit() => _queue.Submit();

    public DiskResult Finish(DeviceRequest request) => _queue.Finish(request);

    public void Completed(ReadOnlySpan<DeviceRequest> requests)
    {
        lock (_lock)
        {
            foreach (DeviceRequest request in requests)
            {
                if (!_error.IsOk)
                    request.Result = _error;
            }
        }

        _observer.Completed(requests);
    }
}
