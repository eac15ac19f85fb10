using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// One volume of a resource at work: its disk, its clients, and the export that carries their requests into Core. Reads of a local disk never enter the gate: a write is
/// on the disk before it is answered, so the disk holds whatever a client was told of (hard part 10). Core says, under the gate, while that is so; other reads go through it to the peer.
/// </summary>
internal sealed class RuntimeVolume : INbdExport
{
    // Most bytes that one change may have: sixteen extents, which even the smallest activity log holds several times.
    private const long ChangeBytesMax = 64L << 20;

    // A call that is shown in the status: longer than a disk needs to spin up or to write a full cache out is not worth a sentence.
    private const long SlowMs = 1_000;

    private readonly ResourceRuntime _runtime;
    private readonly LeavingDisks _leaving = new();
    private VolumeDisk? _disk;
    private VolumeDisk? _readable;
    private ulong _lastSerial;
    private long _readBytes;
    private long _writtenBytes;

    public RuntimeVolume(ResourceRuntime runtime, VolumeConfiguration configuration)
    {
        _runtime = runtime;
        Configuration = configuration;
        Clients = new VolumeClients(Describe, runtime.PublishStatus);
    }

    /// <summary>The configuration, with the number that the volume has while the resource is up. Replaced by <c>adjust</c>.</summary>
    public VolumeConfiguration Configuration { get; set; }

    /// <summary>Another volume of this node is resynced first; kept by <see cref="ResyncOrder"/>.</summary>
    public bool AwaitsTurn { get; set; }

    /// <summary>Damage that was found in the metadata at attaches since the daemon started (G10).</summary>
    public MismatchCount MetadataDamage { get; } = new();

    /// <summary>RESOURCE/VOLUME: the export's name and the volume's spelling everywhere.</summary>
    public string Name => $"{_runtime.Configuration.Name}/{Configuration.Name}";

    /// <summary>The attached disk; null while Diskless.</summary>
    public VolumeDisk? Disk => Volatile.Read(ref _disk);

    public long ReadBytes => Interlocked.Read(ref _readBytes);

    public long WrittenBytes => Interlocked.Read(ref _writtenBytes);

    /// <summary>The disk takes many requests at once, and has none.</summary>
    public bool HasQueueAtRest => Disk?.Queue is { IsIdle: true };

    /// <summary>Who uses the export.</summary>
    public VolumeClients Clients { get; }

    /// <inheritdoc/>
    public NbdExportInfo Info => Clients.Info;

    /// <summary>A disk was opened; Core hears of it next, and says when it may be read from.</summary>
    public void AttachDisk(VolumeDisk disk)
    {
        disk.Serial = ++_lastSerial;
        disk.Threads = _runtime.CreateThreads(this, disk);
        disk.Queue = _runtime.CreateQueue(this, disk);
        Volatile.Write(ref _disk, disk);
    }

    /// <summary>Clients' reads go straight to the disk from now on. Under the resource's gate.</summary>
    public void OpenReads() => Volatile.Write(ref _readable, Disk);

    /// <summary>Clients' reads go to Core from now on. Under the resource's gate, so that none that follows an answered change sees an older disk.</summary>
    public void CloseReads() => Volatile.Write(ref _readable, null);

    /// <summary>The disk is not used any more; it is closed when the last call has left it. Returns it, or null if there was none.</summary>
    public VolumeDisk? DetachDisk(SuperblockFlags flags, out Func<DiskResult>? note)
    {
        VolumeDisk? disk = Interlocked.Exchange(ref _disk, null);
        if (disk is not null)
            _leaving.Add(disk);
        note = disk?.Detach(flags);
        return disk;
    }

    /// <summary>The daemon ends without good order: no call begins any more. Does not wait for those that are inside.</summary>
    public void CloseDisk() => DetachDisk(0, out _)?.Threads!.End();

    /// <summary>Disks that were detached, and an opening, whose calls have not come back.</summary>
    public LeavingDisks Leaving => _leaving;

    /// <summary>Gives the disk up if a call has been inside for longer than <paramref name="timeoutMs"/>; lets those go who wait for one that was given up. From the timer.</summary>
    public void GiveUpIfHung(long timeoutMs)
    {
        _leaving.MarkHung(timeoutMs);
        if (Disk is not { } disk || disk.OldestCall(timeoutMs + 1) is not { } call)
            return;
        _runtime.PostWithoutBlocking(new CoreEvent
        {
            Kind = CoreEventKind.DiskFailed,
            NowMs = ResourceRuntime.NowMs,
            Volume = Configuration.Nr,
            Number = disk.Serial,
            Subject = $"{call} (disk-timeout {timeoutMs} ms)",
        });
    }

    /// <summary>Calls into this volume's disks that take their time, a sentence each (hard part 28).</summary>
    public IEnumerable<string> SlowCalls()
    {
        if (Disk?.OldestCall(SlowMs) is { } call)
            yield return call;
        foreach (string late in _leaving.Calls())
            yield return $"{late}; nobody waits for it";
    }

    /// <inheritdoc/>
    public void Submit(ReadOnlySpan<NbdRequest> batch)
    {
        if (HasChanges(batch))
            SubmitChanges(batch);
        DiskQueue? queue = null;
        foreach (NbdRequest request in batch)
        {
            switch (request.Command)
            {
                case NbdCommand.Read:
                    Read(request, batch.Length == 1, ref queue);
                    break;
                case NbdCommand.BlockStatus:
                    ReadExtents(request);
                    break;
                case NbdCommand.Cache:
                    request.Sink.Complete(request, NbdError.Ok);
                    break;
                default:
                    break;
            }
        }

        queue?.Submit();
    }

    /// <summary>Answers a client and notes its connection for flushing.</summary>
    public static void Complete(NbdRequest request, DiskResult result, Carrier carrier)
    {
        INbdReplySink sink = request.Sink;
        sink.Complete(request, NbdErrors.FromDisk(result, request.Command, request.Flags));
        if (!carrier.Sinks.Contains(sink))
            carrier.Sinks.Add(sink);
    }

    private static bool HasChanges(ReadOnlySpan<NbdRequest> batch)
    {
        foreach (NbdRequest request in batch)
        {
            if (IsChange(request.Command))
                return true;
        }

        return false;
    }

    private static bool IsChange(NbdCommand command) =>
        command is NbdCommand.Write or NbdCommand.Trim or NbdCommand.WriteZeroes or NbdCommand.Flush;

    private void SubmitChanges(ReadOnlySpan<NbdRequest> batch)
    {
        _runtime.Room.AwaitForWriter();
        DeviceCapabilities? capabilities = Disk?.Capabilities;
        bool moreComes = batch.Length == 1 && HasQueueAtRest && batch[0].Sink.HasMore;
        Carrier carrier = _runtime.BeginBatch();
        carrier.FlushesInline = batch.Length == 1;
        carrier.MoreComes = moreComes;
        foreach (NbdRequest request in batch)
        {
            if (!IsChange(request.Command))
                continue;
            bool refused = request.Command == NbdCommand.WriteZeroes && (request.Flags & NbdCommandFlags.FastZero) != 0
                && capabilities is not { CanZeroFast: true };
            if (refused)
                Complete(request, DiskResult.NotSupported, carrier);
            else
                ApplyChange(request, carrier);
        }

        _runtime.EndBatch(carrier);
    }

    private void ApplyChange(NbdRequest request, Carrier carrier)
    {
        ChangeKind kind = request.Command switch
        {
            NbdCommand.Write => ChangeKind.Write,
            NbdCommand.Trim => ChangeKind.Trim,
            NbdCommand.WriteZeroes => ChangeKind.Zeroes,
            _ => ChangeKind.Flush,
        };
        ChangeFlags flags = ChangeFlags.None;
        if (request.IsForceUnitAccess)
            flags |= ChangeFlags.Fua;
        if (kind == ChangeKind.Zeroes && (request.Flags & NbdCommandFlags.NoHole) != 0)
            flags |= ChangeFlags.KeepAllocated;
        long length = kind == ChangeKind.Flush ? 0 : request.Length;
        if (kind == ChangeKind.Flush)
            flags = ChangeFlags.None;
        Interlocked.Add(ref _writtenBytes, length);
        if (length <= ChangeBytesMax)
        {
            Apply(new ChangeHeader(kind, Configuration.Nr, kind == ChangeKind.Flush ? 0 : request.Offset, length, flags), request.Buffer, request, carrier);
            return;
        }

        int parts = checked((int)((length + ChangeBytesMax - 1) / ChangeBytesMax));
        var split = new SplitChange(request, parts);
        long offset = request.Offset;
        for (int part = 0; part < parts; part++)
        {
            long bytes = Math.Min(ChangeBytesMax, length - part * ChangeBytesMax);
            Apply(new ChangeHeader(kind, Configuration.Nr, offset, bytes, flags), null, split, carrier);
            offset += bytes;
        }
    }

    private void Apply(ChangeHeader header, BlockBuffer? buffer, object cookie, Carrier carrier) => _runtime.ApplyInBatch(
        new CoreEvent
        {
            Kind = CoreEventKind.ClientChange,
            NowMs = ResourceRuntime.NowMs,
            Volume = header.Volume,
            Header = header,
            Subject = header.Kind == ChangeKind.Write ? buffer : null,
            Second = cookie,
        },
        carrier);

    // One that comes alone to a disk at rest is read here and now: that needs no other thread.
    private void Read(NbdRequest request, bool isAlone, ref DiskQueue? begun)
    {
        Interlocked.Add(ref _readBytes, request.Length);
        VolumeDisk? disk = Volatile.Read(ref _readable);
        if (disk?.Queue is { } queue && (!isAlone || !queue.IsIdle || _runtime.TimesDisks) && ClientReads.TryBegin(disk, queue, request))
        {
            begun = queue;
            return;
        }

        if (disk is not null && _runtime.TimesDisks)
        {
            if (!ClientReads.TryHandOver(this, disk, request))
                _runtime.Post(ClientReads.AskCore(this, request, DiskResult.Ok, disk.Serial));
            return;
        }

        DiskResult result = disk?.Read(request.Offset, request.Buffer!.Span[..(int)request.Length]) ?? DiskResult.Ok;
        if (disk is not null && result.IsOk)
            request.Sink.Complete(request, NbdError.Ok);
        else
            _runtime.Post(ClientReads.AskCore(this, request, result, disk?.Serial ?? 0));
    }

    /// <summary>Answers a read that went through Core. The data belong to the effect, whose reference is given back here.</summary>
    public static void CompleteRead(in Effect effect, Carrier carrier)
    {
        var request = (NbdRequest)effect.Cookie!;
        Span<byte> destination = request.Buffer!.Span[..(int)request.Length];
        if (effect.ReadData is { } data)
        {
            data.Span.Slice(effect.BufferOffset, destination.Length).CopyTo(destination);
            data.Release();
        }
        else
        {
            destination.Clear();
        }

        Complete(request, effect.Result, carrier);
    }

    /// <summary>Answers a read from the disk that came back while the read was on its way through Core; from that one, not from a later one.</summary>
    public void ReadLocally(NbdRequest request, ulong serial, Carrier carrier)
    {
        bool isHandedOver = _runtime.TimesDisks || carrier.MustNotBlock;
        VolumeDisk? disk = Disk;
        if (disk is null || disk.Serial != serial || (isHandedOver && !ClientReads.TryHandOver(this, disk, request)))
        {
            carrier.Completions.Add(ClientReads.AskCore(this, request, DiskResult.Ok, serial));
            return;
        }

        if (isHandedOver)
            return;
        DiskResult result = disk.Read(request.Offset, request.Buffer!.Span[..(int)request.Length]);
        if (result.IsOk)
            Complete(request, result, carrier);
        else
            carrier.Completions.Add(ClientReads.AskCore(this, request, result, serial));
    }

    private void ReadExtents(NbdRequest request)
    {
        VolumeDisk? readable = Volatile.Read(ref _readable);
        if (readable is not null && _runtime.TimesDisks && ClientReads.TryHandOver(this, readable, request))
            return;
        long offset = request.Offset;
        long end = request.Offset + request.Length;
        bool more = true;
        while (offset < end && more)
        {
            // Where the holes are only the disk knows; to call everything data is true as well.
            var extent = new DeviceExtent(end - offset, false);
            if (readable is { IsDetached: false } disk && disk.GetExtent(offset, end - offset, out DeviceExtent found).IsOk)
                extent = found;
            more = request.AddExtent((uint)extent.Length, extent.IsHole, extent.IsHole);
            offset += extent.Length;
        }

        request.Sink.Complete(request, NbdError.Ok);
    }

    private NbdExportInfo Describe(long sizeBytes)
    {
        DeviceCapabilities capabilities = Disk?.Capabilities ?? default;
        NbdTransmissionFlags flags = NbdTransmissionFlags.Volume;
        if (capabilities.IsRotational)
            flags |= NbdTransmissionFlags.Rotational;
        return new NbdExportInfo
        {
            Name = Name,
            SizeBytes = sizeBytes,
            Flags = flags,
            MinimumBlockBytes = (uint)Math.Max(1, capabilities.MinimumIoBytes),
            Description = $"BlockRepl volume {Name}",
        };
    }
}
