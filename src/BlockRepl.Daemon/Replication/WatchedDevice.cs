using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>Tells a <see cref="DiskWatch"/> of every call that may wait for the disk, the closing too: closing writes out what a file system or a block device still holds.</summary>
/// <param name="inner">The wrapped device; disposed of with this one.</param>
/// <param name="watch">Who is told. Metadata on a device of its own has a watch of its own.</param>
internal sealed class WatchedDevice(IBlockDevice inner, DiskWatch watch) : FilterDevice(inner)
{
    /// <summary>Who is told.</summary>
    public DiskWatch Watch => watch;

    /// <summary>The wrapped device's: whoever begins requests there tells the watch himself.</summary>
    public override IDeviceQueue? StartQueue(IDeviceCompletions completions) => Inner.StartQueue(completions);

    /// <inheritdoc/>
    public override DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail)
    {
        int call = watch.Begin("an extension", sizeBytes, 0);
        DiskResult result = Inner.Extend(sizeBytes, tail);
        watch.End(call);
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult Read(long offset, Span<byte> destination)
    {
        int call = watch.Begin("a read", offset, destination.Length);
        DiskResult result = Inner.Read(offset, destination);
        watch.End(call);
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        int call = watch.Begin("a write", offset, source.Length);
        DiskResult result = Inner.Write(offset, source, forceUnitAccess);
        watch.End(call);
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult Flush()
    {
        int call = watch.Begin("a flush", 0, 0);
        DiskResult result = Inner.Flush();
        watch.End(call);
        return result;
    }

    /// <inheritdoc/>
    public override void StartWriteBack(long offset, long length)
    {
        // Waits where the queue of the disk is full.
        int call = watch.Begin("a write-back", offset, length);
        Inner.StartWriteBack(offset, length);
        watch.End(call);
    }

    /// <inheritdoc/>
    public override DiskResult Discard(long offset, long length)
    {
        int call = watch.Begin("a discard", offset, length);
        DiskResult result = Inner.Discard(offset, length);
        watch.End(call);
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        int call = watch.Begin("a write of zeroes", offset, length);
        DiskResult result = Inner.WriteZeroes(offset, length, mayPunchHole, fastOnly);
        watch.End(call);
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
    {
        int call = watch.Begin("a look for holes", offset, length);
        DiskResult result = Inner.GetExtent(offset, length, out extent);
        watch.End(call);
        return result;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        int call = watch.Begin("the closing", 0, 0);
        base.Dispose(disposing);
        watch.End(call);
    }
}
