using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The source's half of a resync. Data is pushed in stream order: a piece is read while nothing that overlaps it is under way, and is in the
/// stream before anything newer that overlaps it (I4), so the target needs no comparison of ages. A mark is cleared only when a flush
/// on both sides covers the block (hard part 4).
/// </summary>
/// <remarks>Flow: docs/peer-protocol.md, "Resync".</remarks>
internal sealed class ResyncSource(ResourceContext context, Generations generations, LocalDisk disk)
{
    /// <summary>Set by <see cref="ResourceCore"/>: a resync with this node as source has ended well.</summary>
    public Action<PeerVolume> OnFinished { get; set; } = _ => { };

    /// <summary>Set by <see cref="ResourceCore"/>: a resync with this node as source is about to begin.</summary>
    public Action<PeerVolume> OnBeginning { get; set; } = _ => { };

    /// <summary>The verdict made this node the source: remembers durably that the peer is being resynced, and from which state of marks.</summary>
    public static void Prepare(PeerVolume peerVolume, bool full)
    {
        peerVolume.State = ReplicationState.WFBitMapS;
        if (full)
            peerVolume.Bitmap!.SetAll();
    }

    /// <summary>All marks are known: names the resync, durably on this side before the target hears of it.</summary>
    public void Begin(PeerVolume peerVolume)
    {
        SourceMarks.ForgetBeyondEnd(peerVolume);
        GenerationId named = peerVolume.Volume.Superblock!.Peers[peerVolume.Slot].BitmapGeneration;
        GenerationId generation = !named.IsNone && named == peerVolume.AnnouncedGeneration ? named : context.NewGeneration();
        bool comparesHashes = peerVolume.Peer.Version >= ProtocolVersion.V2 && peerVolume.Peer.Role != Role.Primary && context.Settings.ResyncChecksums switch
        {
            ResyncChecksums.Always => true,
            ResyncChecksums.AfterCrash => peerVolume.IsAfterCrash,
            _ => false,
        };
        var job = new SourceJob(peerVolume.Bitmap!, generation, peerVolume.Verdict.IsFull, context.NowMs) { Compares = comparesHashes };
        peerVolume.Source = job;
        OnBeginning(peerVolume);

        // The data were chosen as they are in the page cache, perhaps one that outlived the process. They must be stable before the target gives up being
        // consistent: if this host lost power later, the only other copy of what it had not flushed would be half overwritten.
        LinkId link = peerVolume.Peer.Link;
        disk.Flush(peerVolume.Volume, FlushWaiter.ForAction(result =>
        {
            if (result.IsOk && peerVolume.Peer.Link == link && peerVolume.Source == job)
                Announce(peerVolume, job);
        }));
    }

    private void Announce(PeerVolume peerVolume, SourceJob job)
    {
        Volume volume = peerVolume.Volume;
        GenerationId generation = job.Generation;
        Superblock superblock = volume.Superblock!;
        PeerSlot slot = superblock.Peers[peerVolume.Slot];

        // A resync that the target may never have begun goes on under its name: a second one would push what the target still has out of the newest place of the history, and cost a full resync.
        if (slot.BitmapGeneration != generation)
            superblock = superblock.WithHistory(slot.BitmapGeneration);
        peerVolume.AnnouncedGeneration = generation;

        // The two share this node's generation: noted, because what this node may write alone before the target has taken part needs one of its own (G7).
        if (IsSharedGeneration(peerVolume.Verdict))
            superblock = superblock.WithHistory(superblock.Current);
        superblock = superblock.WithPeer(
            peerVolume.Slot, slot with { BitmapGeneration = generation, Flags = slot.Flags & ~PeerSlotFlags.FullSync });
        LinkId link = peerVolume.Peer.Link;
        BitmapRange[] marks = [new BitmapRange(peerVolume.Slot, peerVolume.Bitmap!, 0, peerVolume.Bitmap!.BlockCount)];
        generations.Persist(volume, superblock, () =>
        {
            if (peerVolume.Peer.Link == link && peerVolume.Source == job)
                context.Send(peerVolume.Peer, new SyncBeginMessage(volume.Nr, generation, peerVolume.Verdict.IsFull));
        }, marks);
    }

    /// <summary>The target is durably Inconsistent: from now on every change is mirrored, and data flows.</summary>
    public void Begun(PeerVolume peerVolume)
    {
        peerVolume.State = ReplicationState.SyncSource;
        peerVolume.IsReplicating = true;
        peerVolume.Source!.IsBegun = true;
        peerVolume.AnnouncedGeneration = GenerationId.None;
        peerVolume.PeerDisk = DiskState.Inconsistent;
        peerVolume.IsServing = peerVolume.GetsChangesAlone = false;
        context.StateChanged = true;
        context.Log($"{Name(peerVolume)}: resync begins as source, {peerVolume.Source.TotalBlocks * Block.Size} bytes");
    }

    /// <summary>Keeps the pipeline full, takes checkpoints, and ends the resync when nothing is left. Called after every event.</summary>
    public void Pump(PeerVolume peerVolume)
    {
        SourceJob job = peerVolume.Source!;
        Volume volume = peerVolume.Volume;
        if (!job.IsBegun || job.IsEnding || !volume.HasDisk)
            return;
        ResyncPace pace = peerVolume.Peer.Pace;
        long elsewhere = OnTheWay(peerVolume.Peer) - job.OnTheWayBytes;
        pace.Advance(context.Application, context.Settings.ResyncImpactPercent, elsewhere + job.OnTheWayBytes, context.NowUs);
        while (!peerVolume.IsPaused && job.ReadsInFlight < SourceJob.ReadsMax && job.HasMore
               && pace.MayRead(elsewhere + job.OnTheWayBytes, context.NowUs)
               && job.UnconfirmedBytes + (long)job.ReadsInFlight * ResyncChunk.DataBytesMax < context.Settings.ResyncWindowBytes)
        {
            if (!ReadNext(peerVolume, job))
                break;
        }

        while (job.TakeCheckpointIfDue(context.Settings.ResyncWindowBytes / 2, peerVolume.IsPaused, context.NowMs) is { } checkpoint)
        {
            context.Send(peerVolume.Peer, new SyncCheckpointMessage(volume.Nr, checkpoint.Id));
            disk.Flush(volume, FlushWaiter.ForCheckpoint(peerVolume, checkpoint.Id, isSource: true));
        }

        // What this node was serving when the lost disk came back may still wait for the log: it is marked again when it begins, and the other side gets it from here alone (I2).
        bool isBehind = context.Role != Role.Primary && volume.AwaitingExtent.Count > 0;
        if (!isBehind && ((job.IsDone && peerVolume.Bitmap!.SetCount == 0) || (Canary.ResyncEndsEarly && !job.HasMore)))
        {
            End(peerVolume, job);
        }
    }

    /// <summary>The target has written pieces.</summary>
    public string? Written(PeerVolume peerVolume, ulong pieces)
    {
        SourceJob job = peerVolume.Source!;
        if (!job.TryNoteWritten(pieces, context.NowUs, out long bytes, out long tookUs))
            return $"{pieces} pieces of {Name(peerVolume)} written, but not so many were sent";
        if (bytes > 0)
        {
            peerVolume.Peer.ProgressMs = context.NowMs;
            peerVolume.Peer.Pace.PieceDone(bytes, tookUs, context.NowUs);
        }

        return null;
    }

    /// <summary>The target has compared a piece.</summary>
    public string? Compared(PeerVolume peerVolume, ResyncDiffersMessage message)
    {
        if (!peerVolume.Source!.TryNoteCompared(message.Number, message.Different, context.NowMs, out ResyncChunk chunk))
            return $"{Name(peerVolume)}: an answer to hashes that were not sent";
        peerVolume.Peer.ProgressMs = context.NowMs;
        peerVolume.Peer.Pace.PieceDone(chunk.Weight, Math.Max(1, context.NowUs - chunk.AskedUs), context.NowUs);
        return null;
    }

    /// <summary>Time passes: notes how fast it goes, for status on both sides.</summary>
    public void Tick(Peer peer)
    {
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume at = volume.Peers[peer.Id.Value];
            if (at.Source is not { IsBegun: true } job)
                continue;
            if (at.IsPaused)
                job.Rate.Clear();
            else
                context.IsPeerStatusDue |= job.Rate.Note(context.NowMs, at.Bitmap!.SetCount * Block.Size);
        }
    }

    // All volumes share the link.
    private long OnTheWay(Peer peer)
    {
        long sum = 0;
        foreach (Volume volume in context.Volumes)
            sum += volume.Peers[peer.Id.Value].Source?.OnTheWayBytes ?? 0;
        return sum;
    }

    // The bitmap's generation ends durably before the target can know: from then on the two share this node's generation, and if the connection is
    // lost and the target's word with it, whatever this node writes alone gets a generation of its own (G7, I9). A target that has not heard of the end
    // stands at the newest generation of this node's history and is taken up from there (rule 71). With the generation goes what a crash in an earlier reign said: the target has taken all from this node, and
    // what this node may have lost is in no copy any more (G2).
    private void End(PeerVolume peerVolume, SourceJob job)
    {
        Volume volume = peerVolume.Volume;
        LinkId link = peerVolume.Peer.Link;
        PeerSlot slot = volume.Superblock!.Peers[peerVolume.Slot];
        Superblock superblock = volume.Superblock with { History = volume.Superblock.History.Remove(volume.Superblock.Current) };
        superblock = superblock.WithHistory(slot.BitmapGeneration)
            .WithPeer(peerVolume.Slot, slot.WithoutGeneration() with { Flags = slot.WithoutGeneration().Flags & ~PeerSlotFlags.FullSync });
        superblock = superblock with { Flags = superblock.Flags & ~(SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower) };
        job.IsEnding = true;
        generations.Persist(volume, superblock, () =>
        {
            if (peerVolume.Peer.Link == link && peerVolume.Source == job)
                context.Send(peerVolume.Peer, new SyncEndMessage(volume.Nr, superblock.Current, superblock.History));
        });
    }

    /// <summary>A read for the resync may start: nothing that overlaps it is under way.</summary>
    public void StartRead(ChangeRequest request) => context.StartOnDisk(EffectKind.ResyncRead, request);

    /// <summary>The data is there: it goes into the stream before anything that overlaps it may start.</summary>
    public void ReadCompleted(ChangeRequest request, DiskResult result)
    {
        ResyncChunk chunk = request.Chunk!;
        Volume volume = context.Volumes[chunk.Volume.Value];
        PeerVolume peerVolume = volume.Peers[chunk.Peer.Value];
        volume.Active.Remove(request);
        if (peerVolume.Source is { } job && peerVolume.Peer.Link == chunk.Link)
        {
            job.ReadsInFlight--;
            job.Reading.Remove(request.Range);
            if (result.IsOk)
            {
                TakeBackRest(job, request);
                job.NoteHole(chunk);
                if (peerVolume.Peer.Role == Role.Primary)
                    chunk.Position = peerVolume.Peer.AppliedHere;
                Send(peerVolume, job, chunk);
                context.ReturnRequest(request);
                return;
            }

            job.NoteNotSent(chunk);
            disk.Fail(volume, $"read at {chunk.Range.Offset} for a resync failed: {result}");
        }

        chunk.Buffer?.Release();
        context.ReturnRequest(request);
    }

    // As data, as zeroes, or as hashes: in any case at this place of the stream.
    private void Send(PeerVolume peerVolume, SourceJob job, ResyncChunk chunk)
    {
        if (job.UnconfirmedBytes == 0 && job.Comparing.Count == 0)
            peerVolume.Peer.ProgressMs = context.NowMs;
        peerVolume.Peer.LastSentMs = context.NowMs;
        if (chunk is { IsZeroes: false, Hashes: { } hashes })
        {
            job.Comparing.Add(chunk.Number, chunk);
            context.Send(peerVolume.Peer, new ResyncHashesMessage(chunk.Volume, chunk.Number, chunk.Range, hashes));
            return;
        }

        job.NoteSent(chunk, context.NowMs);
        ref Effect effect = ref context.Effects.Add(EffectKind.SendResyncData);
        effect.Peer = chunk.Peer;
        effect.Link = chunk.Link;
        effect.Volume = chunk.Volume;
        effect.Subject = chunk;

        // A version 1 peer does not tell when it has written a piece.
        if (peerVolume.Peer.Version < ProtocolVersion.V2)
            job.NoteSentBlindly(context.NowUs);
    }

    // What the edge cut off was taken out of what is to send; it goes back.
    private static void TakeBackRest(SourceJob job, ChangeRequest request)
    {
        ByteRange read = request.Chunk!.Range;
        Check.That(read.Offset == request.Range.Offset && read.Length > 0 && read.Length <= request.Range.Length, "a resync read covers the begin of what was asked for");
        if (read.Length == request.Range.Length)
            return;
        Check.That((read.End & (Block.Size - 1)) == 0, "a resync read ends at a block");
        job.ToSend.Set(read.End >> Block.Shift, request.Range.FirstBlock + request.Range.BlockCount - (read.End >> Block.Shift));
        job.Position = Math.Min(job.Position, read.End >> Block.Shift);
    }

    /// <summary>One side has flushed what a checkpoint covers.</summary>
    public void CheckpointStable(PeerVolume peerVolume, ulong id, bool here)
    {
        if (peerVolume.Source is not { } job || job.Find(id) is not { } reached)
            return;
        if (here)
        {
            reached.IsStableHere = true;
        }
        else
        {
            reached.IsStableThere = true;
            peerVolume.Peer.ProgressMs = context.NowMs;
        }

        while (job.TakeCompleted() is { } checkpoint)
            Clear(peerVolume, job, checkpoint);
    }

    /// <summary>The target is durably UpToDate with this node's generation: the two are equal.</summary>
    public void Ended(PeerVolume peerVolume)
    {
        Volume volume = peerVolume.Volume;
        SourceJob job = peerVolume.Source!;
        Superblock superblock = context.Role == Role.Primary ? volume.Superblock! : EarlyAnswers.Without(volume.Superblock!);
        volume.Disk = DiskState.UpToDate;
        superblock = superblock with
        {
            Flags = Generations.FlagsFor(DiskState.UpToDate, superblock.Flags) & ~(SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower),
        };
        peerVolume.Source = null;
        peerVolume.State = ReplicationState.Established;
        peerVolume.PeerMarkedBlocks = 0;
        peerVolume.PeerDisk = DiskState.UpToDate;
        context.StateChanged = true;
        context.Log($"{Name(peerVolume)}: resync done as source, {job.TotalBlocks * Block.Size} bytes in {context.NowMs - job.StartedMs} ms");
        generations.Persist(volume, superblock, null);
        if (context.Role != Role.Primary && volume.ActivityLog is { Count: > 0, ChangesInFlight: 0 } log)
        {
            // It stood in for marks while this node served; there are none any more.
            log.Clear();
            context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, ActivityLog = log.Snapshot(), ActivityLogTransaction = ++log.Transaction });
        }

        OnFinished(peerVolume);
    }

    /// <summary>Whether the verdict was given between nodes of one generation (rules 34 to 42), neither of which had gone on alone.</summary>
    public static bool IsSharedGeneration(SyncVerdict verdict) => verdict.Rule is >= 34 and <= 42;

    // False: it is a piece of a hole, which may be large, and is not to lie in the reader's queue behind others while it holds up the changes that overlap it.
    private bool ReadNext(PeerVolume peerVolume, SourceJob job)
    {
        if (job.Different.TryDequeue(out ByteRange different))
        {
            Read(peerVolume, job, different, isHole: false, wantsHashes: false);
            return true;
        }

        long block = job.ToSend.FindNextSet(job.Position);
        if (block < 0)
            block = job.ToSend.FindNextSet(0);
        long hole = job.HoleFrom(block << Block.Shift);
        if (hole > 0 && job.ReadsInFlight > 0)
            return false;
        long end = block + job.ToSend.CountRun(block, Math.Max(hole, peerVolume.Peer.Pace.PieceBytes) >> Block.Shift);
        job.ToSend.Clear(block, end - block);
        job.Position = end;
        long offset = block << Block.Shift;
        Read(peerVolume, job, new ByteRange(offset, Math.Min(end << Block.Shift, peerVolume.Volume.SizeBytes) - offset), hole > 0, job.Compares);
        return true;
    }

    private void Read(PeerVolume peerVolume, SourceJob job, ByteRange range, bool isHole, bool wantsHashes)
    {
        ChangeRequest request = context.RentRequest();
        request.Kind = ChangeKind.Write;
        request.Origin = ChangeOrigin.ResyncRead;
        request.Volume = peerVolume.Volume.Nr;
        request.Range = range;
        request.Link = peerVolume.Peer.Link;
        request.Chunk = new ResyncChunk
        {
            Volume = peerVolume.Volume.Nr,
            Range = range,
            Peer = peerVolume.Peer.Id,
            Link = peerVolume.Peer.Link,
            IsExpectedHole = isHole,
            WantsHashes = wantsHashes,
            Number = wantsHashes ? context.NextTicket() : 0,
            Weight = isHole ? ResyncPace.PieceBytesMin : range.Length,
            AskedUs = context.NowUs,
        };
        job.NoteReading(request.Chunk);
        job.ReadsInFlight++;
        job.Reading.Add(request.Range);
        if (peerVolume.Volume.Active.TryStart(request))
            StartRead(request);
    }

    private void Clear(PeerVolume peerVolume, SourceJob job, SourceJob.Checkpoint checkpoint)
    {
        long first = long.MaxValue;
        long last = -1;
        foreach (ByteRange range in checkpoint.Ranges)
        {
            // A block marked again since it was read stays marked (I5).
            if (!job.HasBlocksMarkedAgain)
                peerVolume.Bitmap!.Clear(range.FirstBlock, range.BlockCount);
            for (long block = range.FirstBlock, end = block + range.BlockCount; job.HasBlocksMarkedAgain && block < end; block++)
            {
                if (!job.IsSentAgain(block))
                    peerVolume.Bitmap!.Clear(block, 1);
            }

            first = Math.Min(first, range.FirstBlock);
            last = Math.Max(last, range.FirstBlock + range.BlockCount - 1);
        }

        var write = new MetadataWrite { Volume = peerVolume.Volume.Nr };
        write.Bitmaps.Add(new BitmapRange(peerVolume.Slot, peerVolume.Bitmap!, first, last - first + 1));
        context.WriteMetadata(peerVolume.Volume, write);
        context.Send(peerVolume.Peer, new SyncClearedMessage(peerVolume.Volume.Nr, checkpoint.Id));
        context.StateChanged = true;
    }

    private string Name(PeerVolume peerVolume) => $"{context.Settings.Name}/{peerVolume.Volume.Name}@{peerVolume.Peer.Name}";
}
