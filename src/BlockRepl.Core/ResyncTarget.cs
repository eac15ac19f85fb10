using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The target's half of a resync. It is Inconsistent, durably, before the first byte is applied, and stays so until the source says that nothing differs (G9).
/// </summary>
internal sealed class ResyncTarget(ResourceContext context, Generations generations, LocalDisk disk)
{
    // Runs in one message; bounded by what a frame may hold.
    private const int RunsPerPart = 4096;

    /// <summary>
    /// A volume of this node is to lose its changes and has not begun to: until it has, the operator's word that named this node the victim counts for the next connection, too.
    /// </summary>
    public static bool OwesBegin(ResourceContext context, Peer peer) =>
        context.Volumes.Exists(volume => volume.Peers[peer.Id.Value].Verdict is { IsTarget: true, ResolvesSplitBrain: true });

    /// <summary>Set by <see cref="ResourceCore"/>: a resync with this node as target has ended well, durably.</summary>
    public Action<PeerVolume> OnFinished { get; set; } = _ => { };

    /// <summary>Sends this node's marks towards the source, run-length coded.</summary>
    public void SendBitmap(PeerVolume peerVolume)
    {
        peerVolume.State = ReplicationState.WFBitMapT;
        DirtyBitmap bitmap = peerVolume.Bitmap!;
        List<ulong> runs = [];
        long partStart = 0;
        long block = 0;
        bool set = false;
        while (block < bitmap.BlockCount)
        {
            long next = set ? bitmap.FindNextClear(block) : bitmap.FindNextSet(block);
            if (next < 0)
                next = bitmap.BlockCount;
            runs.Add((ulong)(next - block));
            block = next;
            set = !set;
            if (runs.Count >= RunsPerPart && !set)
            {
                context.Send(peerVolume.Peer, new BitmapPartMessage(peerVolume.Volume.Nr, (ulong)partStart, runs.ToArray(), false));
                runs.Clear();
                partStart = block;
            }
        }

        context.Send(peerVolume.Peer, new BitmapPartMessage(peerVolume.Volume.Nr, (ulong)partStart, runs.ToArray(), true));
    }

    /// <summary>Set by <see cref="ResourceCore"/>: asked before this node gives up being consistent. False if that must wait: the action is then called when it may go on.</summary>
    public Func<PeerVolume, Action, bool> BeforeBegin { get; set; } = (_, _) => true;

    /// <summary>What this node loses is saved: the resync goes on where it waited for that.</summary>
    public void Saved(PeerVolume peerVolume)
    {
        if (!peerVolume.Verdict.IsFull)
        {
            SendBitmap(peerVolume);
        }
        else if (peerVolume.DeferredBegin is { } message)
        {
            peerVolume.DeferredBegin = null;
            Begin(peerVolume, message);
        }
    }

    /// <summary>The source named the resync: this node becomes Inconsistent, and says so only when that is durable.</summary>
    public void Begin(PeerVolume peerVolume, SyncBeginMessage message)
    {
        if (peerVolume.Saving is not null)
        {
            peerVolume.DeferredBegin = message;
            return;
        }

        if (BeforeBegin(peerVolume, () => GiveUpConsistency(peerVolume, message)))
            GiveUpConsistency(peerVolume, message);
    }

    private void GiveUpConsistency(PeerVolume peerVolume, SyncBeginMessage message)
    {
        Volume volume = peerVolume.Volume;
        volume.Disk = DiskState.Inconsistent;
        var job = new TargetJob(message.Full, context.NowMs) { TotalBlocks = peerVolume.PeerReportedDirtyBlocks };
        peerVolume.Target = job;
        Superblock superblock = volume.Superblock!;
        // An old generation that the source shares does not go into the history: half overwritten, this is no descendant of it. If the source goes on
        // at it, a forced promotion here must look like the split brain that it is (G7).
        bool isShared = ResyncSource.IsSharedGeneration(peerVolume.Verdict);
        superblock = (superblock.Current.IsReal && !isShared && superblock.Current != message.SyncGeneration ? superblock.WithHistory(superblock.Current) : superblock) with
        {
            Current = message.SyncGeneration,
            Flags = Canary.InconsistentNotDurable ? superblock.Flags : Generations.FlagsFor(DiskState.Inconsistent, superblock.Flags),
        };
        if (peerVolume.Verdict.ResolvesSplitBrain)
        {
            // What the marks were based on is part of the history that ends here.
            superblock = superblock.WithPeer(peerVolume.Slot, superblock.Peers[peerVolume.Slot].WithoutGeneration());
        }

        BitmapRange[]? marks = null;
        if (message.Full)
        {
            // From here on the marks say what is left, so that an interruption does not begin anew (G9).
            peerVolume.Bitmap!.SetAll();
            PeerSlot slot = superblock.Peers[peerVolume.Slot];
            superblock = superblock.WithPeer(peerVolume.Slot, slot with { Flags = slot.Flags & ~PeerSlotFlags.FullSync });
            marks = [new BitmapRange(peerVolume.Slot, peerVolume.Bitmap, 0, peerVolume.Bitmap.BlockCount)];
        }

        context.StateChanged = true;
        if (volume.IsReturning)
            volume.Remote.LostGenerations.Add(superblock.Current);
        LinkId link = peerVolume.Peer.Link;
        generations.Persist(volume, superblock, () =>
        {
            // Over already: the source has lost its disk.
            if (peerVolume.Peer.Link != link || peerVolume.Target != job)
                return;
            peerVolume.State = ReplicationState.SyncTarget;
            peerVolume.Verdict = peerVolume.Verdict with { ResolvesSplitBrain = false };
            peerVolume.SavedGeneration = GenerationId.None;
            peerVolume.Peer.DiscardMyData &= OwesBegin(context, peerVolume.Peer);
            context.StateChanged = true;

            // From here on in the stream this Primary's changes are on both disks, and the source marks them no more.
            volume.MirrorsBack = volume.IsReturning;
            volume.MirrorsFrom = context.LastSequence;
            context.Send(peerVolume.Peer, new SyncBegunMessage(volume.Nr));
        }, marks);
    }

    /// <summary>Set by <see cref="ResourceCore"/>: what of resync data may be written under a Primary.</summary>
    public ReturningDisk Returning { get; set; } = null!;

    /// <summary>A piece of resync data. Takes a reference on the buffer.</summary>
    public string? Data(PeerVolume peerVolume, ByteRange range, BlockBuffer? buffer, int bufferOffset, bool zeroes, SequenceNumber position)
    {
        Volume volume = peerVolume.Volume;
        if (peerVolume.State != ReplicationState.SyncTarget || peerVolume.Target is not { } job)
            return "resync data came without a resync";
        if (range.Offset < 0 || range.Length <= 0 || range.Offset > volume.SizeBytes - range.Length)
            return $"resync data beyond the end of {volume.Name}";
        job.NoteWritten(range);
        var chunk = new ResyncChunk { Volume = volume.Nr, Range = range, Peer = peerVolume.Peer.Id, Link = peerVolume.Peer.Link, PartsLeft = 1 };
        if (context.Role != Role.Primary)
        {
            Write(peerVolume, job, chunk, range, buffer, bufferOffset, zeroes);
            return null;
        }

        // However much of it is left, the source counts one piece.
        List<ByteRange> parts = Returning.Current(peerVolume, range, position);
        chunk.PartsLeft = parts.Count;
        job.PiecesWritten += parts.Count == 0 ? 1UL : 0;
        foreach (ByteRange part in parts)
            Write(peerVolume, job, chunk, part, buffer, bufferOffset + (int)(zeroes ? 0 : part.Offset - range.Offset), zeroes);
        return null;
    }

    private void Write(PeerVolume peerVolume, TargetJob job, ResyncChunk chunk, ByteRange range, BlockBuffer? buffer, int bufferOffset, bool zeroes)
    {
        Volume volume = peerVolume.Volume;
        ChangeRequest request = context.RentRequest();
        request.Kind = zeroes ? ChangeKind.Zeroes : ChangeKind.Write;
        request.Origin = ChangeOrigin.ResyncWrite;
        request.Volume = volume.Nr;
        request.Range = Canary.ZeroesNotWritten && zeroes ? range with { Length = 0 } : range;
        request.Link = peerVolume.Peer.Link;
        request.Buffer = buffer?.AddReference();
        request.BufferOffset = bufferOffset;
        request.Chunk = chunk;
        job.WritesInFlight++;
        if (volume.Active.TryStart(request))
            StartWrite(request);
    }

    /// <summary>Hashes of a piece: compared with what this node has at the same place of the stream.</summary>
    public string? Hashes(PeerVolume peerVolume, ResyncHashesMessage message)
    {
        Volume volume = peerVolume.Volume;
        if (peerVolume.Target is not { } job)
            return "hashes came without a resync";
        if (message.Range.Offset > volume.SizeBytes - message.Range.Length)
            return $"hashes beyond the end of {volume.Name}";
        ChangeRequest request = context.RentRequest();
        request.Kind = ChangeKind.Write;
        request.Origin = ChangeOrigin.ResyncCompare;
        request.Volume = volume.Nr;
        request.Range = message.Range;
        request.Link = peerVolume.Peer.Link;
        request.Chunk = new ResyncChunk
        {
            Volume = volume.Nr,
            Range = message.Range,
            Peer = peerVolume.Peer.Id,
            Link = peerVolume.Peer.Link,
            Hashes = message.Hashes,
            Number = message.Number,
        };
        job.WritesInFlight++;
        if (volume.Active.TryStart(request))
            StartCompare(request);
        return null;
    }

    /// <summary>Lets a piece be compared: nothing that overlaps it is under way.</summary>
    public void StartCompare(ChangeRequest request) => context.StartOnDisk(EffectKind.ResyncRead, request);

    /// <summary>A piece is compared. What is equal will be cleared with a checkpoint that comes after, when both sides have flushed (hard part 4).</summary>
    public void Compared(ChangeRequest request, DiskResult result)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        ResyncChunk chunk = request.Chunk!;
        PeerVolume peerVolume = volume.Peers[chunk.Peer.Value];
        volume.Active.Remove(request);
        bool isCurrent = peerVolume.Peer.Link == request.Link && peerVolume.Target is not null;
        context.ReturnRequest(request);
        if (!result.IsOk)
            disk.Fail(volume, $"read at {chunk.Range.Offset} for a resync failed: {result}");
        if (!isCurrent || peerVolume.Target is not { } job)
            return;
        job.WritesInFlight--;
        foreach ((ByteRange range, bool differs) in chunk.Runs(chunk.Different))
        {
            if (!differs)
                job.NoteWritten(range);
        }

        context.Send(peerVolume.Peer, new ResyncDiffersMessage(volume.Nr, chunk.Number, chunk.Different));
        FlushIfReached(peerVolume, job);
    }

    /// <summary>Puts a piece of resync data on its way to the disk.</summary>
    public void StartWrite(ChangeRequest request) => context.StartOnDisk(EffectKind.LocalChange, request);

    /// <summary>A piece of resync data is on the disk.</summary>
    public void WriteCompleted(ChangeRequest request, DiskResult result)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        ResyncChunk chunk = request.Chunk!;
        PeerVolume peerVolume = volume.Peers[chunk.Peer.Value];
        bool isCurrent = peerVolume.Peer.Link == request.Link && peerVolume.Target is not null;
        context.ReturnRequest(request);
        if (!result.IsOk)
            disk.Fail(volume, $"resync write failed: {result}");
        if (!isCurrent || peerVolume.Target is not { } job)
            return;
        job.WritesInFlight--;
        if (--chunk.PartsLeft == 0)
            job.PiecesWritten++;
        FlushIfReached(peerVolume, job);
    }

    /// <summary>Tells the source what is written, a few pieces at a time: what is on the way is what the application may have to wait behind. Called after every event.</summary>
    public void AcknowledgeIfDue(PeerVolume peerVolume)
    {
        const ulong PiecesMax = 4;
        if (peerVolume.Target is not { } job)
            return;
        ulong news = job.PiecesWritten - job.PiecesTold;
        if (news == 0 || news < PiecesMax && job.WritesInFlight > 0 || peerVolume.Peer.Version < ProtocolVersion.V2 || peerVolume.Peer.Link == LinkId.None)
            return;
        job.PiecesTold = job.PiecesWritten;
        context.Send(peerVolume.Peer, new ResyncAckMessage(peerVolume.Volume.Nr, job.PiecesWritten));
    }

    /// <summary>The source asks for what it has sent so far to become stable.</summary>
    public void Checkpoint(PeerVolume peerVolume, ulong id)
    {
        if (peerVolume.Target is not { } job)
            return;
        job.NoteCheckpoint(id);
        job.AwaitingWrites.Enqueue(id);
        FlushIfReached(peerVolume, job);
    }

    /// <summary>The flush for a checkpoint is over.</summary>
    public void CheckpointFlushed(PeerVolume peerVolume, LinkId link, ulong id, DiskResult result)
    {
        if (result.IsOk && peerVolume.Peer.Link == link && peerVolume.Target is not null)
            context.Send(peerVolume.Peer, new SyncCheckpointDoneMessage(peerVolume.Volume.Nr, id));
    }

    /// <summary>The source has cleared its marks for a checkpoint: both sides hold the same stable content, so this side's marks go, too.</summary>
    public void Cleared(PeerVolume peerVolume, ulong id)
    {
        if (peerVolume.Target?.TakeCleared(id) is not { Count: > 0 } ranges)
            return;
        long first = long.MaxValue;
        long last = -1;
        bool changed = false;
        foreach (ByteRange range in ranges)
        {
            changed |= peerVolume.Bitmap!.Clear(range.FirstBlock, range.BlockCount) > 0;
            first = Math.Min(first, range.FirstBlock);
            last = Math.Max(last, range.FirstBlock + range.BlockCount - 1);
            peerVolume.PeerReportedDirtyBlocks = Math.Max(0, peerVolume.PeerReportedDirtyBlocks - range.BlockCount);
        }

        context.StateChanged = true;
        if (!changed)
            return;
        var write = new MetadataWrite { Volume = peerVolume.Volume.Nr };
        write.Bitmaps.Add(new BitmapRange(peerVolume.Slot, peerVolume.Bitmap!, first, last - first + 1));
        context.WriteMetadata(peerVolume.Volume, write);
    }

    /// <summary>Nothing differs any more: this node takes over the source's generations and becomes UpToDate, durably before it says so.</summary>
    public void End(PeerVolume peerVolume, SyncEndMessage message)
    {
        if (!peerVolume.Volume.IsReturning)
        {
            TakeOver(peerVolume, message);
            return;
        }

        // What this Primary has told its clients of must be stable here, too, before this disk counts: it may be asked for it alone, with protocols A and B after a loss of power.
        LinkId link = peerVolume.Peer.Link;
        disk.Flush(peerVolume.Volume, FlushWaiter.ForAction(result =>
        {
            if (result.IsOk && peerVolume.Peer.Link == link && peerVolume.Volume.IsReturning)
                TakeOver(peerVolume, message);
        }));
    }

    private void TakeOver(PeerVolume peerVolume, SyncEndMessage message)
    {
        Volume volume = peerVolume.Volume;
        long startedMs = peerVolume.Target?.StartedMs ?? context.NowMs;
        bool wasResync = peerVolume.Target is not null;
        peerVolume.Target = null;
        peerVolume.PeerReportedDirtyBlocks = 0;
        peerVolume.PeerMarkedBlocks = 0;
        peerVolume.Bitmap!.ClearAll();
        Superblock superblock = volume.Superblock! with
        {
            Current = message.CurrentGeneration,
            History = message.History,
            Flags = Generations.FlagsFor(DiskState.UpToDate, volume.Superblock!.Flags & ~(SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower)),
        };
        superblock = superblock.WithPeer(
            peerVolume.Slot,
            superblock.Peers[peerVolume.Slot].WithoutGeneration() with { Flags = superblock.Peers[peerVolume.Slot].Flags & (PeerSlotFlags.PeerFencing | PeerSlotFlags.SyncPaused) });
        if (volume.IsReturning)
        {
            superblock = superblock with { Flags = superblock.Flags | SuperblockFlags.PrimaryIndicator };
            volume.Remote.LostGenerations.Add(superblock.Current);
        }

        LinkId link = peerVolume.Peer.Link;
        BitmapRange[] marks = [new BitmapRange(peerVolume.Slot, peerVolume.Bitmap, 0, peerVolume.Bitmap.BlockCount)];
        generations.Persist(volume, superblock, () =>
        {
            // The connection may be gone meanwhile: then this node cannot know whether the source goes on without it (G6).
            bool isSure = peerVolume.Peer.Link == link || context.Settings.Fencing == FencingPolicy.DontCare;
            if (volume.Disk == DiskState.Inconsistent)
                volume.Disk = isSure ? DiskState.UpToDate : DiskState.Consistent;
            if (volume.IsReturning)
            {
                RemoteService.End(volume);
                context.Effects.Add(EffectKind.OpenReads).Volume = volume.Nr;
            }

            context.StateChanged = true;
            context.Log($"{context.Settings.Name}/{volume.Name}@{peerVolume.Peer.Name}: resync done as target in {context.NowMs - startedMs} ms");
            if (wasResync)
                OnFinished(peerVolume);
            if (peerVolume.Peer.Link != link)
                return;
            peerVolume.State = ReplicationState.Established;

            // From here on this node mirrors, too, should it be promoted while this connection lasts (I2).
            peerVolume.IsReplicating = true;
            context.Send(peerVolume.Peer, new SyncEndedMessage(volume.Nr));
        }, marks);
    }

    private void FlushIfReached(PeerVolume peerVolume, TargetJob job)
    {
        while ((job.WritesInFlight == 0 || Canary.CheckpointBeforeWrites) && job.AwaitingWrites.TryDequeue(out ulong id))
            disk.Flush(peerVolume.Volume, FlushWaiter.ForCheckpoint(peerVolume, id, isSource: false));
    }
}
