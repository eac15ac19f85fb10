using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// The way to a disk for many requests at once: nobody is inside a call for them. Thread-safe. What calls of <see cref="IBlockDevice"/> promise holds for what was begun here, too: a completed
/// request is one that a later <see cref="IBlockDevice.Flush"/> covers, and overlapping writes in flight have no order.
/// </summary>
public interface IDeviceQueue
{
    /// <summary>Nothing that was begun is unfinished. A caller that may wait does better with a call of his own then: it needs no hand-over.</summary>
    bool IsIdle { get; }

    /// <summary>
    /// Begins a request, which the queue then owns, and of whose buffer somebody holds a reference until it is back. False, having done nothing, for one that the disk cannot do as it is (a
    /// part of a sector), and once the disk is being closed: make the call instead.
    /// </summary>
    bool TryBegin(DeviceRequest request);

    /// <summary>Lets go of what this thread has begun. Must follow; one call for many.</summary>
    void Submit();

    /// <summary>Finishes a request that came back with <see cref="DeviceRequest.NeedsCall"/>, on the caller's thread, which waits for the disk.</summary>
    DiskResult Finish(DeviceRequest request);
}
