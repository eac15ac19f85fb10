using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// A disk: a regular file, a block device, memory, or a wrapper around another one. All calls are synchronous, may come
/// from several threads at once and block their caller; none throws for an I/O error. Ranges must lie within
/// <see cref="SizeBytes"/> (a violation is a bug, not an error).
/// </summary>
/// <remarks>
/// Without <c>forceUnitAccess</c> a completed write survives the death of this process but not a power loss; what a successful
/// <see cref="Flush"/> covers (every write completed before it was called) survives that too. Overlapping writes in
/// flight at once have no defined order: the caller serialises them.
/// </remarks>
public interface IBlockDevice : IDisposable
{
    /// <summary>Usable size in bytes; fixed while the device is open unless <see cref="RefreshSize"/> says otherwise.</summary>
    long SizeBytes { get; }

    /// <summary>What the disk can do and how it wants to be used.</summary>
    DeviceCapabilities Capabilities { get; }

    /// <summary>Asks the operating system for the size again (a grown disk) and returns it.</summary>
    long RefreshSize();

    /// <summary>Whether <see cref="Extend"/> can make it larger: a regular file.</summary>
    bool CanExtend => false;

    /// <summary>
    /// Makes the disk <paramref name="sizeBytes"/> long, durably. It never has its new size without <paramref name="tail"/>, its last bytes, in place; what lies before them reads as zeroes.
    /// </summary>
    DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail) => DiskResult.NotSupported;

    /// <summary>
    /// A way to the disk beside the calls, for many requests at once; null where there is none. Asked for once. The queue ends with the device, which is disposed of when nothing is in flight
    /// any more.
    /// </summary>
    IDeviceQueue? StartQueue(IDeviceCompletions completions) => null;

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/>.</summary>
    DiskResult Read(long offset, Span<byte> destination);

    /// <summary>
    /// Writes all of <paramref name="source"/>. With <paramref name="forceUnitAccess"/> success means stable storage for
    /// this write (RWF_DSYNC), whatever else is dirty.
    /// </summary>
    DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess);

    /// <summary>
    /// Makes every write completed before the call stable (<c>fdatasync</c>). After one failure every later call
    /// fails too: the kernel reports a lost page once and may have dropped it (G1).
    /// </summary>
    DiskResult Flush();

    /// <summary>
    /// Lets the disk begin to write a range out of the cache, so that a later <see cref="Flush"/> finds less to do. Waits for nothing, promises nothing, reports no error: a page
    /// that is lost is the flush's to tell.
    /// </summary>
    void StartWriteBack(long offset, long length)
    {
    }

    /// <summary>
    /// Tells the disk that the range is not needed. It then reads as zeroes. Returns
    /// <see cref="DiskResult.NotSupported"/> and changes nothing where the disk cannot promise that (G5, hard part 13).
    /// </summary>
    DiskResult Discard(long offset, long length);

    /// <summary>
    /// Makes the range read as zeroes. With <paramref name="mayPunchHole"/> space may be given back; without it the space
    /// stays allocated. With <paramref name="fastOnly"/> returns <see cref="DiskResult.NotSupported"/>, having changed nothing,
    /// where it would have to write zeroes.
    /// </summary>
    DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly);

    /// <summary>
    /// Tells whether the bytes from <paramref name="offset"/> on are data or a hole that reads as zeroes, and how far
    /// that holds (at least 1, at most <paramref name="length"/> bytes). A disk that cannot tell answers "data".
    /// </summary>
    DiskResult GetExtent(long offset, long length, out DeviceExtent extent);
}
