using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>The data disk as the metadata's code sees it: with external metadata only its size counts.</summary>
internal sealed class SizeOnlyDevice(SimDisk disk) : IBlockDevice
{
    /// <inheritdoc/>
    public long SizeBytes => disk.SizeBytes;

    /// <inheritdoc/>
    public DeviceCapabilities Capabilities => new(1, true, true, false);

    /// <inheritdoc/>
    public long RefreshSize() => SizeBytes;

    /// <inheritdoc/>
    public DiskResult Read(long offset, Span<byte> destination) => disk.Read(offset, destination) ? DiskResult.Ok : DiskResult.Io;

    /// <inheritdoc/>
    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess) => throw Check.Unreachable("metadata written to the data disk");

    /// <inheritdoc/>
    public DiskResult Flush() => DiskResult.Ok;

    /// <inheritdoc/>
    public DiskResult Discard(long offset, long length) => DiskResult.NotSupported;

    /// <inheritdoc/>
    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly) => throw Check.Unreachable("metadata written to the data disk");

    /// <inheritdoc/>
    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        extent = new DeviceExtent(length, false);
        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
