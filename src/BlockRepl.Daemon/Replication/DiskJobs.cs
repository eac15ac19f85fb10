using BlockRepl.Core;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// What Core, or a client, wants of a disk: carried out and reported. Any thread may: one of the disk's own (<see cref="DiskThreads"/>), or whoever brought the event, where nothing is to time the call. A
/// job is bound to the disk that it was meant for, so that what comes late never touches the disk that came after it (hard part 17).
/// </summary>
internal sealed partial class DiskJobs
{
    private const long NoSpaceReportIntervalMs = 60_000;

    private readonly ResourceRuntime _runtime;
    private readonly ILogger _log;
    private long _noSpaceReportedMs = -NoSpaceReportIntervalMs;

    public DiskJobs(ResourceRuntime runtime, ILogger log)
    {
        _runtime = runtime;
        _log = log;
    }

    /// <summary>The threads of a disk that is about to be attached; none is started before there is a job.</summary>
    public DiskThreads CreateThreads(RuntimeVolume volume, VolumeDisk disk) => new(volume.Name, disk.Io, job => CarryOut(volume, disk, in job));

    /// <summary>The queue of a disk that is about to be attached; null if it has none.</summary>
    public DiskQueue? CreateQueue(RuntimeVolume volume, VolumeDisk disk) => DiskQueue.TryStart(_runtime, volume, disk, this);

    /// <summary>What is to be reported of a change that a disk has done.</summary>
    public CoreEvent Completed(ChangeRequest request, DiskResult result)
    {
        if (result == DiskResult.NoSpace)
            ReportNoSpace(_runtime.Volumes[request.Volume.Value]);
        return new CoreEvent { Kind = CoreEventKind.LocalChangeCompleted, NowMs = ResourceRuntime.NowMs, Subject = request, Result = result };
    }

    /// <summary>Carries a job out on the caller's thread and reports it, for one that has no disk: it fails.</summary>
    public void Refuse(DiskJob job) => _runtime.PostWithoutBlocking(Perform(null, in job));

    /// <summary>Carries a job out on the caller's thread. Returns what is to be reported.</summary>
    public CoreEvent Perform(VolumeDisk? disk, in DiskJob job) => job.Kind switch
    {
        DiskJobKind.Change => Change(disk, (ChangeRequest)job.Subject!),
        DiskJobKind.Flush => new CoreEvent
        {
            Kind = CoreEventKind.LocalFlushCompleted,
            Volume = job.Volume,
            Number = job.Ticket,
            Result = disk?.Flush() ?? DiskResult.Io,
            NowMs = ResourceRuntime.NowMs,
        },
        DiskJobKind.ResyncRead => ReadForResync(disk, (ChangeRequest)job.Subject!),
        DiskJobKind.VerifyRead => Completed(
            CoreEventKind.VerifyReadCompleted, (ChangeRequest)job.Subject!, VerifyReader.Digest(((ChangeRequest)job.Subject!).Verify!, disk)),
        DiskJobKind.PeerRead => Completed(CoreEventKind.PeerReadCompleted, (ChangeRequest)job.Subject!, PeerReader.Read(((ChangeRequest)job.Subject!).Chunk!, disk)),
        DiskJobKind.Metadata => WriteMetadata(disk, (MetadataWrite)job.Subject!),
        DiskJobKind.Grow => Grow(disk, (Effect)job.Subject!),
        _ => throw Check.Unreachable($"{job.Kind} is not reported"),
    };

    private void CarryOut(RuntimeVolume volume, VolumeDisk disk, in DiskJob job)
    {
        switch (job.Kind)
        {
            case DiskJobKind.ClientRead:
                ClientReads.CarryOut(_runtime, volume, disk, (DiskRead)job.Subject!);
                break;
            case DiskJobKind.Finish:
                disk.Queue!.Finish((DiskQueue.QueuedRequest)job.Subject!);
                break;
            case DiskJobKind.Note:
                ((Action)job.Subject!)();
                break;
            case DiskJobKind.Metadata or DiskJobKind.Grow:
                // What follows from it must not hold up the metadata that comes next.
                _runtime.PostWithoutBlocking(Perform(disk, in job));
                break;
            default:
                _runtime.Post(Perform(disk, in job));
                break;
        }
    }

    private CoreEvent Change(VolumeDisk? disk, ChangeRequest request) =>
        Completed(request, disk is not null && disk.Serial == request.DiskSerial ? disk.Apply(request) : DiskResult.Io);

    // The client gets ENOSPC and the disk stays; an operator must hear of it as well, but not once a request.
    private void ReportNoSpace(RuntimeVolume volume)
    {
        long now = ResourceRuntime.NowMs;
        long reported = Interlocked.Read(ref _noSpaceReportedMs);
        if (now - reported >= NoSpaceReportIntervalMs && Interlocked.CompareExchange(ref _noSpaceReportedMs, now, reported) == reported)
            LogNoSpace(_log, volume.Name, volume.Configuration.Disk.For(_runtime.Settings.NodeName));
    }

    // Both halves of a resync: nobody who brings changes of an application waits for its disk operations.
    private CoreEvent ReadForResync(VolumeDisk? disk, ChangeRequest request)
    {
        bool isCompared = request.Origin == ChangeOrigin.ResyncCompare;
        if (disk is not null && !isCompared && !request.Chunk!.IsExpectedHole)
            _runtime.Room.AwaitForResync(request);
        DiskResult result = isCompared ? ResyncReader.Compare(request.Chunk!, disk) : ResyncReader.Read(request.Chunk!, disk);
        return Completed(CoreEventKind.ResyncReadCompleted, request, result);
    }

    private static CoreEvent Completed(CoreEventKind kind, ChangeRequest request, DiskResult result) => new()
    {
        Kind = kind,
        NowMs = ResourceRuntime.NowMs,
        Volume = request.Volume,
        Subject = request,
        Result = result,
    };

    private static CoreEvent WriteMetadata(VolumeDisk? disk, MetadataWrite write) => new()
    {
        Kind = CoreEventKind.MetadataWritten,
        Volume = write.Volume,
        Subject = write,
        Result = disk?.Write(write) ?? DiskResult.Io,
        NowMs = ResourceRuntime.NowMs,
    };

    private CoreEvent Grow(VolumeDisk? disk, in Effect effect)
    {
        long? fileBytes = _runtime.Volumes[effect.Volume.Value].Configuration.Size?.For(_runtime.Settings.NodeName);
        GrownDisk grown = disk?.Grow((GrowDisk)effect.Subject!, fileBytes) ?? new GrownDisk(0, false, "", DiskResult.Io);
        return new CoreEvent
        {
            Kind = CoreEventKind.DiskGrown,
            NowMs = ResourceRuntime.NowMs,
            Volume = effect.Volume,
            Number = effect.Ticket,
            Link = effect.Link,
            Subject = grown,
            Second = effect.Second,
        };
    }

    [LoggerMessage(EventId = 201, Level = LogLevel.Warning, Message = "{Volume}: no space left for {Disk}; changes that need more are refused")]
    private static partial void LogNoSpace(ILogger logger, string volume, string disk);
}
