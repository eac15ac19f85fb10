using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Saving;

/// <summary>Where the blocks come from that are to be saved.</summary>
internal interface ISaveSource
{
    /// <summary>Reads; the range is within the volume.</summary>
    DiskResult Read(long offset, Span<byte> destination);

    /// <summary>Whether what stands at an offset is a hole, and how far that goes.</summary>
    DiskResult GetExtent(long offset, long length, out DeviceExtent extent);
}
