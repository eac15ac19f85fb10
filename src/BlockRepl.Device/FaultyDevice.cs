using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// Fails calls as told: by kind, by range, after a countdown, once or for good. A failed flush stays failed, as a real
/// disk's does (hard part 12). Thread-safe.
/// </summary>
/// <param name="inner">The wrapped device; disposed of with this one.</param>
public sealed class FaultyDevice(IBlockDevice inner) : FilterDevice(inner)
{
    private sealed class Armed(DeviceFault fault)
    {
        public DeviceFault Fault { get; } = fault;

        public int Skip { get; set; } = fault.Skip;

        public int Left { get; set; } = fault.Times;
    }

    private readonly Lock _gate = new();
    private readonly List<Armed> _faults = [];
    private DiskResult _flushFailure = DiskResult.Ok;
    private long _hits;

    /// <summary>Calls that were failed so far.</summary>
    public long Hits => Interlocked.Read(ref _hits);

    /// <summary>Adds a fault; of several that would hit a call the earliest one does.</summary>
    public void Inject(DeviceFault fault)
    {
        lock (_gate)
            _faults.Add(new Armed(fault));
    }

    /// <summary>Removes all faults. A flush that has failed stays failed.</summary>
    public void Clear()
    {
        lock (_gate)
            _faults.Clear();
    }

    /// <inheritdoc/>
    public override DiskResult Read(long offset, Span<byte> destination) =>
        Take(DeviceOperation.Read, offset, destination.Length) is { } fault
            ? fault.Result
            : Inner.Read(offset, destination);

    /// <inheritdoc/>
    public override DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        DeviceFault? fault = Take(DeviceOperation.Write, offset, source.Length);
        if (fault is { AfterEffect: false })
            return fault.Result;
        DiskResult result = Inner.Write(offset, source, forceUnitAccess);
        return fault?.Result ?? result;
    }

    /// <inheritdoc/>
    public override DiskResult Flush()
    {
        DeviceFault? fault = Take(DeviceOperation.Flush, 0, long.MaxValue);
        lock (_gate)
        {
            if (fault is not null && _flushFailure.IsOk)
                _flushFailure = fault.Result;
            if (!_flushFailure.IsOk)
                return _flushFailure;
        }

        return Inner.Flush();
    }

    /// <inheritdoc/>
    public override DiskResult Discard(long offset, long length)
    {
        DeviceFault? fault = Take(DeviceOperation.Discard, offset, length);
        if (fault is { AfterEffect: false })
            return fault.Result;
        DiskResult result = Inner.Discard(offset, length);
        return fault?.Result ?? result;
    }

    /// <inheritdoc/>
    public override DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        DeviceFault? fault = Take(DeviceOperation.WriteZeroes, offset, length);
        if (fault is { AfterEffect: false })
            return fault.Result;
        DiskResult result = Inner.WriteZeroes(offset, length, mayPunchHole, fastOnly);
        return fault?.Result ?? result;
    }

    private DeviceFault? Take(DeviceOperation operation, long offset, long length)
    {
        lock (_gate)
        {
            foreach (Armed armed in _faults)
            {
                if ((armed.Fault.Operations & operation) == 0
                    || armed.Left == 0
                    || (armed.Fault.Range is { } range && !range.Overlaps(new ByteRange(offset, length))))
                {
                    continue;
                }

                if (armed.Skip > 0)
                {
                    armed.Skip--;
                    continue;
                }

                if (armed.Left != int.MaxValue)
                    armed.Left--;
                Interlocked.Increment(ref _hits);
                return armed.Fault;
            }
        }

        return null;
    }
}
