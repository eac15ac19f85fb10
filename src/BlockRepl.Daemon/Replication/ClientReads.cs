using BlockRepl.Core;
using BlockRepl.Device;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Clients' reads of the local disk. Without <c>disk-timeout</c> they run on the client's own thread, or in the disk's queue where it has one and there are several; with it on one of the disk's, from which they can be taken back when it hangs. Either way a
/// read never enters Core while the disk is good.
/// </summary>
internal static class ClientReads
{
    /// <summary>Hands a READ or a BLOCK_STATUS to the disk's threads. False, having done nothing, if the disk was given up meanwhile.</summary>
    public static bool TryHandOver(RuntimeVolume volume, VolumeDisk disk, NbdRequest request)
    {
        DiskThreads threads = disk.Threads!;
        if (threads.Reads.Begin(request) is not { } read)
            return false;

        // Given up between the two: then it has been taken back already, or is taken back here.
        return threads.Add(DiskLaneKind.Data, new DiskJob(DiskJobKind.ClientRead, volume.Configuration.Nr, read))
            || !threads.Reads.End(read, out _);
    }

    /// <summary>
    /// Begins a READ in the disk's queue, which is to be submitted; whoever gives the disk up takes it back from there as well. False, having done nothing, where it takes a call.
    /// </summary>
    public static bool TryBegin(VolumeDisk disk, DiskQueue queue, NbdRequest request)
    {
        DiskReads reads = disk.Threads!.Reads;
        if (reads.Begin(request) is not { } read)
            return false;

        // Given up between the two: then it has been taken back already, or is taken back here.
        return queue.TryBegin(read) || !reads.End(read, out _);
    }

    /// <summary>On a thread of the disk.</summary>
    public static void CarryOut(ResourceRuntime runtime, RuntimeVolume volume, VolumeDisk disk, DiskRead read)
    {
        DiskReads reads = disk.Threads!.Reads;
        DiskResult result = DiskResult.Ok;
        if (read.Buffer is { } buffer)
            result = disk.Read(read.Offset, buffer.Span[..read.Length]);
        else
            FindExtents(disk, reads, read);
        if (!reads.End(read, out NbdRequest request))
            return;
        if (result.IsOk)
        {
            INbdReplySink sink = request.Sink;
            sink.Complete(request, NbdError.Ok);
            sink.Flush();
        }
        else
        {
            runtime.Post(AskCore(volume, request, result, disk.Serial));
        }
    }

    /// <summary>A read that the local disk did not serve: because it is closed to reads (Ok), or because it failed.</summary>
    public static CoreEvent AskCore(RuntimeVolume volume, NbdRequest request, DiskResult local, ulong serial) => new()
    {
        Kind = CoreEventKind.ClientRead,
        NowMs = ResourceRuntime.NowMs,
        Volume = volume.Configuration.Nr,
        Header = new ChangeHeader(ChangeKind.Write, volume.Configuration.Nr, request.Offset, request.Length, ChangeFlags.None),
        Result = local,
        Number = serial,
        Second = request,
    };

    private static void FindExtents(VolumeDisk disk, DiskReads reads, DiskRead read)
    {
        long end = read.Offset + read.Length;
        bool more = true;
        for (long offset = read.Offset; offset < end && more;)
        {
            // Where the holes are only the disk knows; to call everything data is true as well.
            if (!disk.GetExtent(offset, end - offset, out DeviceExtent extent).IsOk)
                extent = new DeviceExtent(end - offset, false);
            more = reads.AddExtent(read, extent.Length, extent.IsHole);
            offset += extent.Length;
        }
    }
}
