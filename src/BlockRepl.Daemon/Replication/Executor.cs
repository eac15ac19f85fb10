using BlockRepl.Core;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Carries out Core's effects other than sends. Writes run inline on the carrier's thread, unless it is one that must not wait for a disk; flushes inline where the carrier has nothing else to do, else on the
/// flusher; metadata, resyncs and comparisons have a thread each, so that a timer or a receiver never waits for them.
/// </summary>
internal sealed partial class Executor : IDisposable
{
    private const long NoSpaceReportIntervalMs = 60_000;

    private readonly ResourceRuntime _runtime;
    private readonly ILogger _log;
    private readonly WorkerThread<Action> _metadata;
    private readonly WorkerThread<ChangeRequest> _writer;
    private readonly WorkerThread<(VolumeNr Volume, ulong Ticket)> _flusher;
    private readonly WorkerThread<ChangeRequest> _resync;
    private readonly PeerReads _reads;
    private readonly VerifyReader _verify;
    private long _noSpaceReportedMs = -NoSpaceReportIntervalMs;

    public Executor(ResourceRuntime runtime, ILogger log)
    {
        _runtime = runtime;
        _log = log;
        string name = runtime.Settings.Name;
        _metadata = new WorkerThread<Action>($"metadata-{name}", work => work());
        _writer = new WorkerThread<ChangeRequest>($"writer-{name}", request => runtime.Post(Change(request)));
        _flusher = new WorkerThread<(VolumeNr Volume, ulong Ticket)>($"flusher-{name}", work => runtime.Post(Flush(work.Volume, work.Ticket)));
        _reads = new PeerReads(runtime);
        _resync = new WorkerThread<ChangeRequest>($"resync-{name}", CarryOutResync);
        _verify = new VerifyReader(runtime);
    }

    /// <summary>Takes an effect whose order against others of its kind counts. Called under the resource's gate; does not block.</summary>
    public void HandOver(in Effect effect)
    {
        switch (effect.Kind)
        {
            case EffectKind.WriteMetadata:
                MetadataWrite write = effect.Metadata;
                _metadata.Add(() => WriteMetadata(write));
                break;
            case EffectKind.GrowDisk:
                Effect grow = effect;
                _metadata.Add(() => Grow(in grow));
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
                    if (effect.Request.Origin == ChangeOrigin.ResyncWrite)
                        _resync.Add(effect.Request);
                    else if (carrier.MustNotBlock)
                        _writer.Add(effect.Request);
                    else
                        carrier.Completions.Add(Change(effect.Request));
                    break;
                case EffectKind.LocalFlush:
                    if (carrier.FlushesInline && !effect.IsBackground)
                        carrier.Completions.Add(Flush(effect.Volume, effect.Ticket));
                    else
                        _flusher.Add((effect.Volume, effect.Ticket));
                    break;
                case EffectKind.Reply:
                    Reply(effect.Cookie!, effect.Result, carrier);
                    break;
                case EffectKind.ResyncRead:
                    _resync.Add(effect.Request);
                    break;
                case EffectKind.VerifyRead:
                    _verify.Add(effect.Request);
                    break;
                case EffectKind.PeerRead:
                    _reads.Add(effect.Request);
                    break;
                case EffectKind.ReadReply:
                    RuntimeVolume.CompleteRead(in effect, carrier);
                    break;
                case EffectKind.ReadLocally:
                    _runtime.Volumes[effect.Volume.Value].ReadLocally((NbdRequest)effect.Cookie!, carrier);
                    break;
                case EffectKind.DetachDisk:
                    Detach(_runtime.Volumes[effect.Volume.Value], effect.NotesLoss);
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
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _verify.Dispose();
        _resync.Dispose();
        _reads.Dispose();
        _flusher.Dispose();
        _writer.Dispose();
        _metadata.Dispose();
    }

    // Core hears of it when the last call has left the disk: a call that hangs keeps the volume Failed, and its late completion touches nothing (hard part 17).
    private void Detach(RuntimeVolume volume, bool notesLoss)
    {
        if (volume.DetachDisk(notesLoss, out Func<DiskResult>? note) is not { } disk)
            return;
        if (note is not null)
            _metadata.Add(() => LogNoted(_log, volume.Name, note().ToString()));
        _ = disk.Closed.ContinueWith(
            _ => _runtime.Post(new CoreEvent { Kind = CoreEventKind.DiskClosed, NowMs = ResourceRuntime.NowMs, Volume = volume.Configuration.Nr }),
            TaskScheduler.Default);
    }

    private CoreEvent Change(ChangeRequest request)
    {
        RuntimeVolume volume = _runtime.Volumes[request.Volume.Value];
        DiskResult result = volume.Disk?.Apply(request) ?? DiskResult.Io;
        if (result == DiskResult.NoSpace)
            ReportNoSpace(volume);
        return new CoreEvent { Kind = CoreEventKind.LocalChangeCompleted, NowMs = ResourceRuntime.NowMs, Subject = request, Result = result };
    }

    // The client gets ENOSPC and the disk stays; an operator must hear of it as well, but not once a request.
    private void ReportNoSpace(RuntimeVolume volume)
    {
        long now = ResourceRuntime.NowMs;
        long reported = Interlocked.Read(ref _noSpaceReportedMs);
        if (now - reported >= NoSpaceReportIntervalMs && Interlocked.CompareExchange(ref _noSpaceReportedMs, now, reported) == reported)
            LogNoSpace(_log, volume.Name, volume.Configuration.Disk.For(_runtime.Settings.NodeName));
    }

    private CoreEvent Flush(VolumeNr volume, ulong ticket) => new()
    {
        Kind = CoreEventKind.LocalFlushCompleted,
        Volume = volume,
        Number = ticket,
        Result = _runtime.Volumes[volume.Value].Disk?.Flush() ?? DiskResult.Io,
        NowMs = ResourceRuntime.NowMs,
    };

    private void Grow(in Effect effect)
    {
        RuntimeVolume volume = _runtime.Volumes[effect.Volume.Value];
        long? fileBytes = volume.Configuration.Size?.For(_runtime.Settings.NodeName);
        GrownDisk grown = volume.Disk?.Grow((GrowDisk)effect.Subject!, fileBytes) ?? new GrownDisk(0, false, "", DiskResult.Io);
        _runtime.PostWithoutBlocking(new CoreEvent
        {
            Kind = CoreEventKind.DiskGrown,
            NowMs = ResourceRuntime.NowMs,
            Volume = effect.Volume,
            Number = effect.Ticket,
            Link = effect.Link,
            Subject = grown,
            Second = effect.Second,
        });
    }

    private void WriteMetadata(MetadataWrite write)
    {
        DiskResult result = _runtime.Volumes[write.Volume.Value].Disk?.Write(write) ?? DiskResult.Io;
        _runtime.PostWithoutBlocking(new CoreEvent
        {
            Kind = CoreEventKind.MetadataWritten,
            NowMs = ResourceRuntime.NowMs,
            Volume = write.Volume,
            Subject = write,
            Result = result,
        });
    }

    // Both halves of a resync: nobody who brings changes of an application waits for its disk operations.
    private void CarryOutResync(ChangeRequest request)
    {
        if (request.Origin == ChangeOrigin.ResyncWrite)
        {
            _runtime.Post(Change(request));
            return;
        }

        bool isCompared = request.Origin == ChangeOrigin.ResyncCompare;
        if (!isCompared && !request.Chunk!.IsExpectedHole)
            _runtime.AwaitResyncRoom(request);
        RuntimeVolume volume = _runtime.Volumes[request.Volume.Value];
        DiskResult result = isCompared ? ResyncReader.Compare(request.Chunk!, volume) : ResyncReader.Read(request.Chunk!, volume);
        _runtime.Post(new CoreEvent
        {
            Kind = CoreEventKind.ResyncReadCompleted,
            NowMs = ResourceRuntime.NowMs,
            Volume = request.Volume,
            Subject = request,
            Result = result,
        });
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

    [LoggerMessage(EventId = 201, Level = LogLevel.Warning, Message = "{Volume}: no space left for {Disk}; changes that need more are refused")]
    private static partial void LogNoSpace(ILogger logger, string volume, string disk);

    [LoggerMessage(EventId = 200, Level = LogLevel.Information, Message = "{Text}")]
    private static partial void LogCore(ILogger logger, string text);

    [LoggerMessage(EventId = 202, Level = LogLevel.Warning, Message = "{Volume}: noting on the failed disk that it may lack data: {Result}")]
    private static partial void LogNoted(ILogger logger, string volume, string result);
}
