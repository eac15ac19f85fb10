using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// The device of a volume's metadata: bytes, written through. A crash in the middle of a write leaves the sectors (512 bytes) before a point written and those after it as they were. A write may fail. A bit may
/// rot in one copy of a superblock, in one copy of an activity-log transaction or in a block of bitmap, never in both copies of one thing: that no format survives.
/// </summary>
internal sealed class MetadataDevice : IBlockDevice
{
    private const int SectorBytes = 512;
    private byte[] _bytes;

    public MetadataDevice(long sizeBytes) => _bytes = new byte[sizeBytes];

    /// <summary>Sectors that are still written before the power is gone; negative while it is not.</summary>
    public long SectorsLeft { get; set; } = -1;

    /// <summary>The next write ends with this instead of success.</summary>
    public DiskResult? Failure { get; set; }

    /// <summary>The bytes.</summary>
    public Span<byte> Bytes => _bytes;

    /// <inheritdoc/>
    public long SizeBytes => _bytes.Length;

    /// <inheritdoc/>
    public DeviceCapabilities Capabilities => new(1, true, true, false);

    /// <inheritdoc/>
    public bool CanExtend => true;

    /// <inheritdoc/>
    public long RefreshSize() => SizeBytes;

    /// <inheritdoc/>
    public DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail)
    {
        if (SectorsLeft == 0)
            return DiskResult.Io;
        Array.Resize(ref _bytes, checked((int)sizeBytes));
        tail.CopyTo(_bytes.AsSpan(_bytes.Length - tail.Length));
        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Read(long offset, Span<byte> destination)
    {
        _bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        Check.That(forceUnitAccess, "metadata is always written through");
        int length = source.Length;
        if (SectorsLeft >= 0)
        {
            length = (int)Math.Min(length, SectorsLeft * SectorBytes);
            SectorsLeft -= (length + SectorBytes - 1) / SectorBytes;
        }

        source[..length].CopyTo(_bytes.AsSpan((int)offset));
        if (length < source.Length)
            return DiskResult.Io;
        DiskResult result = Failure ?? DiskResult.Ok;
        Failure = null;
        return result;
    }

    /// <inheritdoc/>
    public DiskResult Flush() => DiskResult.Ok;

    /// <inheritdoc/>
    public DiskResult Discard(long offset, long length) => WriteZeroes(offset, length, true, true);

    /// <inheritdoc/>
    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        _bytes.AsSpan((int)offset, (int)length).Clear();
        return DiskResult.Ok;
    }

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
