using BlockRepl.Core;
using BlockRepl.Device;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// The way to one attached disk for many requests at once (<c>io: direct</c>): begins changes and clients' reads, and reports what came of them, on the queue's own thread. Every request that is
/// under way counts as a call inside the disk: it is timed, the disk is not closed before it is back, and it holds a reference on its buffer for as long (hard part 17). Thread-safe; allocates nothing once it is warm.
/// </summary>
internal sealed class DiskQueue : IDeviceCompletions
{
    private readonly ResourceRuntime _runtime;
    private readonly RuntimeVolume _volume;
    private readonly VolumeDisk _disk;
    private readonly DiskJobs _jobs;
    private readonly Lock _lock = new();
    private readonly Stack<QueuedRequest> _idle = new(64);

    // Of the queue's thread alone.
    private readonly List<CoreEvent> _events = new(64);
    private readonly List<INbdReplySink> _sinks = new(16);
    private IDeviceQueue _queue = null!;

    private DiskQueue(ResourceRuntime runtime, RuntimeVolume volume, VolumeDisk disk, DiskJobs jobs)
    {
        _runtime = runtime;
        _volume = volume;
        _disk = disk;
        _jobs = jobs;
    }

    /// <summary>Nothing is under way: whoever may wait makes a call of his own, which needs no other thread.</summary>
    public bool IsIdle => _queue.IsIdle;

    /// <summary>The queue of a disk that is about to be attached; null if it has none.</summary>
    public static DiskQueue? TryStart(ResourceRuntime runtime, RuntimeVolume volume, VolumeDisk disk, DiskJobs jobs)
    {
        var queue = new DiskQueue(runtime, volume, disk, jobs);
        if (disk.StartQueue(queue) is not { } device)
            return null;
        queue._queue = device;
        return queue;
    }

    /// <summary>Begins a change. False, having done nothing, where it takes a call: it is no write, it has a part of a sector, its disk is not this one or was given up.</summary>
    public bool TryBegin(ChangeRequest change)
    {
        if (change.Kind != ChangeKind.Write || change.DiskSerial != _disk.Serial || !_disk.TryEnter())
            return false;
        QueuedRequest request = Take();
        request.Change = change;
        request.IsWrite = true;
        request.IsForceUnitAccess = change.IsForceUnitAccess;
        request.Offset = change.Range.Offset;
        request.Length = checked((int)change.Range.Length);
        request.Buffer = change.Buffer!.AddReference();
        request.BufferOffset = change.BufferOffset;
        return TryBegin(request);
    }

    /// <summary>Begins a client's read. False as above.</summary>
    public bool TryBegin(DiskRead read)
    {
        if (!_disk.TryEnter())
            return false;
        QueuedRequest request = Take();
        request.Read = read;
        request.IsWrite = false;
        request.IsForceUnitAccess = false;
        request.Offset = read.Offset;
        request.Length = read.Length;
        request.Buffer = read.Buffer!.AddReference();
        request.BufferOffset = 0;
        return TryBegin(request);
    }

    /// <summary>Lets go of what this thread has begun.</summary>
    public void Submit() => _queue.Submit();

    /// <inheritdoc/>
    public void Completed(ReadOnlySpan<DeviceRequest> requests)
    {
        foreach (DeviceRequest done in requests)
        {
            var request = (QueuedRequest)done;
            DiskWatch.End(request.Call);
            if (request.NeedsCall)
            {
                // A thread that may wait makes the call. None is left where the disk was given up: what comes of it means nothing any more.
                if (_disk.Threads!.Add(DiskLaneKind.Data, new DiskJob(DiskJobKind.Finish, _volume.Configuration.Nr, request)))
                    continue;
                request.Result = DiskResult.Io;
            }

            End(request, _events, _sinks);
        }

        Report(_events, _sinks, mustNotBlock: true);
    }

    /// <summary>Finishes what the queue could not, on a thread of the disk.</summary>
    public void Finish(QueuedRequest request)
    {
        DiskWatch.Begin(request.Call, request.IsWrite ? "a write" : "a read", request.Offset, request.Length);
        request.Result = _queue.Finish(request);
        DiskWatch.End(request.Call);
        List<CoreEvent> events = [];
        List<INbdReplySink> sinks = [];
        End(request, events, sinks);
        Report(events, sinks, mustNotBlock: false);
    }

    private bool TryBegin(QueuedRequest request)
    {
        // The metadata lie behind the data on the same disk: the device itself would not know.
        Check.That(request.Offset >= 0 && request.Offset <= _disk.DataBytes - request.Length, "range beyond the volume");
        DiskWatch.Begin(request.Call, request.IsWrite ? "a write" : "a read", request.Offset, request.Length);
        if (_queue.TryBegin(request))
            return true;
        DiskWatch.End(request.Call);
        GiveBack(request);
        _disk.Leave();
        return false;
    }

    // The request is over: what it was for learns of it in `events` and `sinks`.
    private void End(QueuedRequest request, List<CoreEvent> events, List<INbdReplySink> sinks)
    {
        DiskResult result = request.Result;
        ChangeRequest? change = request.Change;
        DiskRead? begun = request.Read;

        // Before the answer: whoever is answered may be back with the next at once, and finds this one's place free.
        GiveBack(request);
        if (change is not null)
        {
            events.Add(_jobs.Completed(change, result));
        }
        else if (_disk.Threads!.Reads.End(begun!, out NbdRequest read))
        {
            if (result.IsOk)
            {
                INbdReplySink sink = read.Sink;
                sink.Complete(read, NbdError.Ok);
                if (!sinks.Contains(sink))
                    sinks.Add(sink);
            }
            else
            {
                events.Add(ClientReads.AskCore(_volume, read, result, _disk.Serial));
            }
        }

        _disk.Leave();
    }

    private void Report(List<CoreEvent> events, List<INbdReplySink> sinks, bool mustNotBlock)
    {
        foreach (INbdReplySink sink in sinks)
            sink.Flush();
        sinks.Clear();
        if (events.Count == 0)
            return;
        Carrier carrier = _runtime.BeginBatch();
        carrier.MustNotBlock = mustNotBlock;
        foreach (CoreEvent e in events)
            _runtime.ApplyInBatch(in e, carrier);
        events.Clear();
        _runtime.EndBatch(carrier);
    }

    private QueuedRequest Take()
    {
        lock (_lock)
        {
            if (_idle.TryPop(out QueuedRequest? request))
                return request;
        }

        return new QueuedRequest(_disk.Watches[0].AddPlace());
    }

    private void GiveBack(QueuedRequest request)
    {
        request.Buffer!.Release();
        request.Buffer = null;
        request.Change = null;
        request.Read = null;
        lock (_lock)
            _idle.Push(request);
    }

    /// <summary>One that is or was under way.</summary>
    /// <param name="call">Its place in the disk's watch.</param>
    internal sealed class QueuedRequest(DiskWatch.Call call) : DeviceRequest
    {
        /// <summary>Its place in the disk's watch.</summary>
        public DiskWatch.Call Call => call;

        /// <summary>The change that it carries out; null for a read.</summary>
        public ChangeRequest? Change { get; set; }

        /// <summary>The client's read that it carries out; null for a change.</summary>
        public DiskRead? Read { get; set; }
    }
}
