using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// Base of the devices that wrap another one and look at, hold up or refuse its calls, as nbdkit's filters do. Owns the
/// wrapped device.
/// </summary>
/// <param name="inner">The wrapped device; disposed of with this one.</param>
public abstract class FilterDevice(IBlockDevice inner) : IBlockDevice
{
    /// <summary>The wrapped device.</summary>
    protected IBlockDevice Inner { get; } = inner;

    /// <inheritdoc/>
    public long SizeBytes => Inner.SizeBytes;

    /// <inheritdoc/>
    public virtual DeviceCapabilities Capabilities => Inner.Capabilities;

    /// <inheritdoc/>
    public long RefreshSize() => Inner.RefreshSize();

    /// <inheritdoc/>
    public virtual bool CanExtend => Inner.CanExtend;

    /// <inheritdoc/>
    public virtual DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail) => Inner.Extend(sizeBytes, tail);

    /// <summary>None: a filter that looks at calls must not be passed by. One that does not may hand out the wrapped device's.</summary>
    public virtual IDeviceQueue? StartQueue(IDeviceCompletions completions) => null;

    /// <inheritdoc/>
    public virtual DiskResult Read(long offset, Span<byte> destination) => Inner.Read(offset, destination);

    /// <inheritdoc/>
    public virtual DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess) =>
        Inner.Write(offset, source, forceUnitAccess);

    /// <inheritdoc/>
    public virtual DiskResult Flush() => Inner.Flush();

    /// <inheritdoc/>
    public virtual void StartWriteBack(long offset, long length) => Inner.StartWriteBack(offset, length);

    /// <inheritdoc/>
    public virtual DiskResult Discard(long offset, long length) => Inner.Discard(offset, length);

    /// <inheritdoc/>
    public virtual DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly) =>
        Inner.WriteZeroes(offset, length, mayPunchHole, fastOnly);

    /// <inheritdoc/>
    public virtual DiskResult GetExtent(long offset, long length, out DeviceExtent extent) =>
        Inner.GetExtent(offset, length, out extent);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes of the wrapped device.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
            Inner.Dispose();
    }
}
