using BlockRepl.Core;
using BlockRepl.Daemon.Saving;
using BlockRepl.Format;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Carries out Core's effects other than sends. Writes run inline on the carrier's thread, unless it is one that must not wait for a disk, or several at once in the disk's queue where it has one (<c>io: direct</c>); flushes inline where the carrier has nothing else to do; metadata, resyncs and
/// comparisons on threads of the disk, so that a timer or a receiver never waits for them. With <c>disk-timeout</c> every call into a disk is made by threads of its own (docs/decisions/0050).
/// </summary>
internal sealed partial class Executor : IDisposable
{
    private readonly ResourceRuntime _runtime;
    private readonly ILogger _log;
    private readonly DiskJobs _jobs;
    private readonly WorkerThread<DiskJob> _refused;
    private readonly SplitBrainSaver _saver;

    public Executor(ResourceRuntime runtime, ILogger log)
    {
        _runtime = runtime;
        _log = log;
        _jobs = new DiskJobs(runtime, log);
        _refused = new WorkerThread<DiskJob>($"nodisk-{runtime.Settings.Name}", _jobs.Refuse);
        _saver = new SplitBrainSaver(runtime);
    }

    /// <summary>The threads of a disk that is about to be attached.</summary>
    public DiskThreads CreateThreads(RuntimeVolume volume, VolumeDisk disk) => _jobs.CreateThreads(volume, disk);

    /// <summary>The queue of a disk that is about to be attached; null if it has none.</summary>
    public DiskQueue? CreateQueue(RuntimeVolume volume, VolumeDisk disk) => _jobs.CreateQueue(volume, disk);

    /// <summary>Takes an effect whose order against others of its kind counts. Called under the resource's gate; does not block.</summary>
    public void HandOver(in Effect effect)
    {
        switch (effect.Kind)
        {
            case EffectKind.WriteMetadata:
                AddInOrder(new DiskJob(DiskJobKind.Metadata, effect.Volume, effect.Metadata));
                break;
            case EffectKind.GrowDisk:
                AddInOrder(new DiskJob(DiskJobKind.Grow, effect.Volume, effect));
                break;
            case EffectKind.StartConnecting:
                _runtime.Connectors[effect.Peer.Value].Start();
                break;
            case EffectKind.StopConnecting:
                _runtime.Connectors[effect.Peer.Value].Stop();
                break;
            case EffectKind.RunHandler:
                _runtime.Handlers.Run(effect.Handler);
                break;
            default:
                throw Check.Unreachable($"effect {effect.Kind} has no order of its own");
        }
    }

    /// <summary>Carries the effects out; completions of what was done inline go to the carrier.</summary>
    public void Execute(Carrier carrier)
    {
        foreach (ref Effect effect in carrier.Effects.Items)
        {
            switch (effect.Kind)
            {
                case EffectKind.None:
                    break;
                case EffectKind.LocalChange:
                    Start(effect.Request, carrier);
                    break;
                case EffectKind.LocalFlush:
                    bool isInline = carrier.FlushesInline && !effect.IsBackground && !_runtime.TimesDisks;
                    Do(isInline ? null : DiskLaneKind.Flush, new DiskJob(DiskJobKind.Flush, effect.Volume, null, effect.Ticket), carrier);
                    break;
                case EffectKind.Reply:
                    Reply(effect.Cookie!, effect.Result, carrier);
                    break;
                case EffectKind.ResyncRead:
                    Do(DiskLaneKind.Resync, new DiskJob(DiskJobKind.ResyncRead, effect.Request.Volume, effect.Request), carrier);
                    break;
                case EffectKind.VerifyRead:
                    Do(DiskLaneKind.Verify, new DiskJob(DiskJobKind.VerifyRead, effect.Request.Volume, effect.Request), carrier);
                    break;
                case EffectKind.PeerRead:
                    Do(DiskLaneKind.Data, new DiskJob(DiskJobKind.PeerRead, effect.Request.Volume, effect.Request), carrier);
                    break;
                case EffectKind.ReadReply:
                    RuntimeVolume.CompleteRead(in effect, carrier);
                    break;
                case EffectKind.ReadLocally:
                    _runtime.Volumes[effect.Volume.Value].ReadLocally((NbdRequest)effect.Cookie!, effect.Ticket, carrier);
                    break;
                case EffectKind.SaveBlocks:
                    _saver.Add((SaveRequest)effect.Subject!);
                    break;
                case EffectKind.DetachDisk:
                    Detach(_runtime.Volumes[effect.Volume.Value], effect.Note, carrier);
                    break;
                case EffectKind.AttachDisk:
                    _runtime.AttachAgain(_runtime.Volumes[effect.Volume.Value]);
                    break;
                case EffectKind.CompleteCommand:
                    ((TaskCompletionSource<CommandResult>)effect.Cookie!).SetResult(effect.Command);
                    break;
                case EffectKind.Log:
                    LogCore(_log, effect.Text);
                    break;
                default:
                    throw Check.Unreachable($"effect {effect.Kind}");
            }
        }

        carrier.SubmitQueues();
        if (carrier.Held is { } alone)
        {
            carrier.Held = null;
            Do(null, new DiskJob(DiskJobKind.Change, alone.Volume, alone), carrier);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (RuntimeVolume volume in _runtime.Volumes)
            volume.CloseDisk();
        _refused.Dispose();
    }

    private void Start(ChangeRequest request, Carrier carrier)
    {
        DiskLaneKind? lane = request.Origin == ChangeOrigin.ResyncWrite ? DiskLaneKind.Resync
            : carrier.MustNotBlock || _runtime.TimesDisks ? DiskLaneKind.Data
            : null;
        if (_runtime.Volumes[request.Volume.Value].Disk?.Queue is { } queue)
            Start(request, lane, queue, carrier);
        else
            Do(lane, new DiskJob(DiskJobKind.Change, request.Volume, request), carrier);
    }

    // A disk with a queue. One change alone for a disk at rest is carried out here and now, which needs no other thread; so it waits for whether it stays alone. One that is known not to stay alone
    // does not: a client that keeps eight requests of 1 MiB on the way sends each when the last was taken, and they would all be alone.
    private void Start(ChangeRequest request, DiskLaneKind? lane, DiskQueue queue, Carrier carrier)
    {
        if (lane is null && !carrier.MoreComes && carrier.Held is null && carrier.Queues.Count == 0 && queue.IsIdle)
        {
            carrier.Held = request;
            return;
        }

        if (carrier.Held is { } held && _runtime.Volumes[held.Volume.Value].Disk?.Queue is { } first)
        {
            carrier.Held = null;
            Begin(held, DiskLaneKind.Data, first, carrier);
        }

        Begin(request, lane ?? DiskLaneKind.Data, queue, carrier);
    }

    private void Begin(ChangeRequest request, DiskLaneKind lane, DiskQueue queue, Carrier carrier)
    {
        if (!queue.TryBegin(request))
            Do(lane, new DiskJob(DiskJobKind.Change, request.Volume, request), carrier);
        else if (!carrier.Queues.Contains(queue))
            carrier.Queues.Add(queue);
    }

    // Without a lane on the carrier's own thread. So also where no disk is left: it fails at once.
    private void Do(DiskLaneKind? lane, in DiskJob job, Carrier carrier)
    {
        VolumeDisk? disk = _runtime.Volumes[job.Volume.Value].Disk;
        if (lane is { } kind && disk is not null && disk.Threads!.Add(kind, in job))
            return;

        // Whoever makes a call waits in it; what he has begun must not wait with him.
        carrier.SubmitQueues();
        carrier.Completions.Add(_jobs.Perform(disk is { IsDetached: false } ? disk : null, in job));
    }

    // Under the gate: nothing may be reported here and now.
    private void AddInOrder(in DiskJob job)
    {
        if (_runtime.Volumes[job.Volume.Value].Disk is not { } disk || !disk.Threads!.Add(DiskLaneKind.Metadata, in job))
            _refused.Add(job);
    }

    // Core hears of it when the last call has left the disk: a call that hangs keeps the volume Failed, and its late completion touches nothing (hard part 17).
    private void Detach(RuntimeVolume volume, SuperblockFlags flags, Carrier carrier)
    {
        // Whoever waits for Failed sees it, however soon the disk is closed.
        _runtime.PublishStatus();
        if (volume.DetachDisk(flags, out Func<DiskResult>? note) is not { } disk)
            return;
        DiskThreads threads = disk.Threads!;
        if (note is not null)
            threads.Add(DiskLaneKind.Metadata, new DiskJob(DiskJobKind.Note, volume.Configuration.Nr, () => LogNoted(_log, volume.Name, note().ToString())));
        threads.End();
        foreach (NbdRequest read in threads.Reads.TakeAll())
        {
            if (read.Command == NbdCommand.Read)
                carrier.Completions.Add(ClientReads.AskCore(volume, read, DiskResult.Ok, disk.Serial));
            else
                RuntimeVolume.Complete(read, DiskResult.Ok, carrier);
        }

        _ = disk.Closed.ContinueWith(
            _ => _runtime.Post(new CoreEvent
            {
                Kind = CoreEventKind.DiskClosed,
                NowMs = ResourceRuntime.NowMs,
                Volume = volume.Configuration.Nr,
                Number = disk.Serial,
            }),
            TaskScheduler.Default);
    }

    private static void Reply(object cookie, DiskResult result, Carrier carrier)
    {
        NbdRequest? request = cookie as NbdRequest;
        if (request is null)
        {
            var split = (SplitChange)cookie;
            if (!split.PartDone(result, out result))
                return;
            request = split.Request;
        }

        RuntimeVolume.Complete(request, result, carrier);
    }

    [LoggerMessage(EventId = 200, Level = LogLevel.Information, Message = "{Text}")]
    private static partial void LogCore(ILogger logger, string text);

    [LoggerMessage(EventId = 202, Level = LogLevel.Warning, Message = "{Volume}: noting on the detached disk that it may lack data: {Result}")]
    private static partial void LogNoted(ILogger logger, string volume, string result);
}
