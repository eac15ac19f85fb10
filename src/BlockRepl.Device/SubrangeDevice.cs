using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// A window onto another device: the data area of a disk that has internal metadata. Does not own the other device.
/// A flush reaches the whole of it.
/// </summary>
public sealed class SubrangeDevice : IBlockDevice
{
    private readonly IBlockDevice _inner;
    private readonly long _offset;

    /// <param name="inner">The device looked at; the caller's to dispose of.</param>
    /// <param name="offset">First byte of the window.</param>
    /// <param name="length">Bytes of the window; it lies within <paramref name="inner"/>.</param>
    public SubrangeDevice(IBlockDevice inner, long offset, long length)
    {
        DeviceRange.Check(inner, offset, length);
        _inner = inner;
        _offset = offset;
        SizeBytes = length;
    }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <inheritdoc/>
    public DeviceCapabilities Capabilities => _inner.Capabilities;

    /// <summary>The window does not grow with the device.</summary>
    public long RefreshSize() => SizeBytes;

    /// <inheritdoc/>
    public DiskResult Read(long offset, Span<byte> destination)
    {
        DeviceRange.Check(this, offset, destination.Length);
        return _inner.Read(_offset + offset, destination);
    }

    /// <inheritdoc/>
    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        DeviceRange.Check(this, offset, source.Length);
        return _inner.Write(_offset + offset, source, forceUnitAccess);
    }

    /// <inheritdoc/>
    public DiskResult Flush() => _inner.Flush();

    /// <inheritdoc/>
    public void StartWriteBack(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        _inner.StartWriteBack(_offset + offset, length);
    }

    /// <inheritdoc/>
    public DiskResult Discard(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        return _inner.Discard(_offset + offset, length);
    }

    /// <inheritdoc/>
    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        DeviceRange.Check(this, offset, length);
        return _inner.WriteZeroes(_offset + offset, length, mayPunchHole, fastOnly);
    }

    /// <inheritdoc/>
    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        DeviceRange.Check(this, offset, length);
        return _inner.GetExtent(_offset + offset, length, out extent);
    }

    /// <summary>Leaves the device looked at open.</summary>
    public void Dispose()
    {
    }
}
