using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// A read or a write for an <see cref="IDeviceQueue"/>. Made and pooled by whoever begins it, who touches nothing of it from <see cref="IDeviceQueue.TryBegin"/> until it is completed: the
/// kernel may read or write the buffer for as long, however long that is (hard part 17).
/// </summary>
public class DeviceRequest
{
    /// <summary>A write; else a read.</summary>
    public bool IsWrite { get; set; }

    /// <summary>A write that is on stable storage when it is done.</summary>
    public bool IsForceUnitAccess { get; set; }

    /// <summary>First byte on the disk.</summary>
    public long Offset { get; set; }

    /// <summary>Bytes.</summary>
    public int Length { get; set; }

    /// <summary>Where the bytes are or go to. The beginner holds a reference until the request is completed.</summary>
    public BlockBuffer? Buffer { get; set; }

    /// <summary>Where in <see cref="Buffer"/> they begin.</summary>
    public int BufferOffset { get; set; }

    /// <summary>What came of it.</summary>
    public DiskResult Result { get; set; }

    /// <summary>
    /// Nothing came of it yet: the kernel did a part, or wants to be asked again, or has to be asked what the error was. <see cref="IDeviceQueue.Finish"/> does that.
    /// </summary>
    public bool NeedsCall { get; set; }

    /// <summary>The bytes.</summary>
    internal Span<byte> Bytes => Buffer!.Span.Slice(BufferOffset, Length);

    /// <summary>An aligned copy of a write's bytes, while it is under way.</summary>
    internal BlockBuffer? Copy { get; set; }

    /// <summary>What the kernel answered, as an errno; 0 where it did a part.</summary>
    internal int Errno { get; set; }
}
