using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// Holds calls up until they are let go: a slow disk or one that hangs (hard part 17), steered by events and not by time.
/// Thread-safe. Disposing of it lets everything go.
/// </summary>
/// <param name="inner">The wrapped device; disposed of with this one.</param>
public sealed class DelayDevice(IBlockDevice inner) : FilterDevice(inner)
{
    private readonly object _gate = new();
    private DeviceOperation _held;
    private int _waiting;
    private int _passes;
    private int _passed;

    /// <summary>Calls that are being held up right now.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
                return _waiting;
        }
    }

    /// <summary>Calls that were held up and have been let go.</summary>
    public int Passed
    {
        get
        {
            lock (_gate)
                return _passed;
        }
    }

    /// <summary>From now on calls of these kinds wait; calls of other kinds that wait are let go.</summary>
    public void Hold(DeviceOperation operations)
    {
        lock (_gate)
        {
            _held = operations;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Lets everything go and holds nothing up any more.</summary>
    public void Release() => Hold(DeviceOperation.None);

    /// <summary>Lets <paramref name="count"/> calls pass, of those that wait or come next.</summary>
    public void LetPass(int count)
    {
        lock (_gate)
        {
            _passes += count;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Blocks until at least <paramref name="count"/> calls wait; false if that took longer than <paramref name="limit"/>.</summary>
    public bool AwaitWaiting(int count, TimeSpan limit)
    {
        long deadline = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        lock (_gate)
        {
            while (_waiting < count)
            {
                long left = deadline - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(_gate, TimeSpan.FromMilliseconds(left)))
                    return _waiting >= count;
            }

            return true;
        }
    }

    /// <summary>The inner device's: what goes through it is not held up.</summary>
    public override IDeviceQueue? StartQueue(IDeviceCompletions completions) => Inner.StartQueue(completions);

    /// <inheritdoc/>
    public override DiskResult Read(long offset, Span<byte> destination)
    {
        Pass(DeviceOperation.Read);
        return Inner.Read(offset, destination);
    }

    /// <inheritdoc/>
    public override DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        Pass(DeviceOperation.Write);
        return Inner.Write(offset, source, forceUnitAccess);
    }

    /// <inheritdoc/>
    public override DiskResult Flush()
    {
        Pass(DeviceOperation.Flush);
        return Inner.Flush();
    }

    /// <inheritdoc/>
    public override DiskResult Discard(long offset, long length)
    {
        Pass(DeviceOperation.Discard);
        return Inner.Discard(offset, length);
    }

    /// <inheritdoc/>
    public override DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        Pass(DeviceOperation.WriteZeroes);
        return Inner.WriteZeroes(offset, length, mayPunchHole, fastOnly);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Release();
        base.Dispose(disposing);
    }

    private void Pass(DeviceOperation operation)
    {
        lock (_gate)
        {
            if ((_held & operation) == 0)
                return;
            _waiting++;
            Monitor.PulseAll(_gate);
            while ((_held & operation) != 0 && _passes == 0)
                Monitor.Wait(_gate);
            if ((_held & operation) != 0)
                _passes--;
            _waiting--;
            _passed++;
        }
    }
}
