using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Metadata;

/// <summary>A disk of any size that keeps the 4 KiB blocks written to it and nothing else. Takes whole blocks only.</summary>
internal sealed class HugeDisk(long sizeBytes) : IBlockDevice
{
    private readonly Dictionary<long, byte[]> _blocks = [];

    public long SizeBytes { get; } = sizeBytes;

    public DeviceCapabilities Capabilities { get; } = new(4096, CanDiscard: false, CanZeroFast: false, IsRotational: false);

    public int BlocksWritten => _blocks.Count;

    public long RefreshSize() => SizeBytes;

    public DiskResult Read(long offset, Span<byte> destination)
    {
        for (int at = 0; at < destination.Length; at += Block.Size)
        {
            if (_blocks.TryGetValue((offset + at) / Block.Size, out byte[]? block))
                block.CopyTo(destination[at..]);
            else
                destination.Slice(at, Block.Size).Clear();
        }

        return DiskResult.Ok;
    }

    public DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        for (int at = 0; at < source.Length; at += Block.Size)
            _blocks[(offset + at) / Block.Size] = source.Slice(at, Block.Size).ToArray();
        return DiskResult.Ok;
    }

    public DiskResult Flush() => DiskResult.Ok;

    public DiskResult Discard(long offset, long length) => DiskResult.NotSupported;

    public DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly) => DiskResult.NotSupported;

    public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        extent = new DeviceExtent(length, IsHole: _blocks.Count == 0);
        return DiskResult.Ok;
    }

    public void Dispose()
    {
    }
}
