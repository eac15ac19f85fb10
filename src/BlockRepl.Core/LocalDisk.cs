using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>The local disk of each volume: flushes, completions, failure.</summary>
internal sealed class LocalDisk(ResourceContext context)
{
    private readonly List<FlushWaiter> _done = [];
    private long _tickedMs;

    /// <summary>Set by <see cref="ResourceCore"/>: what each kind of waiter does when its flush is over.</summary>
    public Action<FlushWaiter, DiskResult> OnFlushed { get; set; } = (_, _) => { };

    /// <summary>Set by <see cref="ResourceCore"/>: the disk is no longer usable.</summary>
    public Action<Volume> OnFailed { get; set; } = _ => { };

    /// <summary>Asks for a flush that covers every change completed by now.</summary>
    public void Flush(Volume volume, FlushWaiter waiter)
    {
        bool isSkipped = (Canary.BarrierNotFlushed && waiter.Kind == FlushWaiterKind.PeerBarrier)
            || (Canary.CheckpointNotFlushed && waiter.Kind == FlushWaiterKind.TargetCheckpoint)
            || (Canary.GenerationNotFlushed && waiter.Kind == FlushWaiterKind.Action && volume.GenerationAwaitsFlush);
        if (isSkipped || !volume.HasDisk)
        {
            OnFlushed(waiter, isSkipped ? DiskResult.Ok : DiskResult.Io);
            return;
        }

        volume.Flushes.Ask(waiter);
        StartFlushIfDue(volume);
    }

    /// <summary>A flush that was asked for is over.</summary>
    public void FlushCompleted(Volume volume, ulong ticket, DiskResult result)
    {
        if (volume.Flushes.Running != ticket)
        {
            volume.LateOperations--;
            return;
        }

        context.NoteDiskProgress(volume);
        List<FlushWaiter> covered = volume.Flushes.Finish(ticket);
        result = Canary.FailedFlushIgnored ? DiskResult.Ok : result;
        if (!result.IsOk)
        {
            // G1, hard part 12: the kernel may have dropped the pages. The disk is no longer to be believed, and all who wait hear of it with it.
            Fail(volume, $"flush failed: {result}");
            return;
        }

        if (volume.LocalStable < volume.Flushes.Covers)
            volume.LocalStable = volume.Flushes.Covers;
        _done.AddRange(covered);
        covered.Clear();
        for (int i = 0; i < _done.Count; i++)
            OnFlushed(_done[i], result);
        _done.Clear();
        StartFlushIfDue(volume);
    }

    /// <summary>Time passes: a disk that hangs is given up like one that fails, and what it may finish later touches nothing (hard part 17).</summary>
    public void Tick()
    {
        long timeoutMs = context.Settings.DiskTimeoutMs;
        bool wasStopped = _tickedMs > 0 && context.NowMs - _tickedMs > timeoutMs;
        _tickedMs = context.NowMs;
        if (timeoutMs == 0)
            return;
        foreach (Volume volume in context.Volumes)
        {
            // It was this process that stood still (stopped, frozen, its host paused): what the disk has done meanwhile it has not been told.
            if (wasStopped)
                volume.DiskProgressMs = context.NowMs;
            long stuckMs = context.NowMs - volume.DiskProgressMs;
            if (volume.LocalOperations > 0 && stuckMs > timeoutMs)
                Fail(volume, $"{volume.LocalOperations} operations, and none finished for {stuckMs} ms (disk-timeout {timeoutMs} ms)");
        }
    }

    /// <summary>An error of the local disk: it is not used any more (<c>on-io-error detach</c>).</summary>
    public void Fail(Volume volume, string why) => GiveUp(volume, $"local disk failed and is detached: {why}", isLoss: true);

    /// <summary>The local disk is given up, in one event with everything that leaned on it.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="why">A line for the log.</param>
    /// <param name="isLoss">What was not flushed may be missing from it.</param>
    public void GiveUp(Volume volume, string why, bool isLoss)
    {
        if (!volume.HasDisk && volume.Disk != DiskState.Attaching)
            return;
        context.Log($"{context.Settings.Name}/{volume.Name}: {why}");

        // In sync until now: what the peer changes from here on it marks, from this generation on.
        bool leavesBehind = IsLeavingBehind(volume);
        foreach (PeerVolume peer in volume.Peers)
        {
            bool inSync = volume.Disk == DiskState.UpToDate && peer.State == ReplicationState.Established && peer.PeerDisk == DiskState.UpToDate && peer.Bitmap is { SetCount: 0 };
            leavesBehind |= inSync && context.Role == Role.Primary;
            peer.BaseGeneration = inSync ? volume.Superblock!.Current : GenerationId.None;
            Superblock? ahead = WhatIsAhead(volume, peer);
            peer.AheadOf = ahead is null ? [] : [ahead.Peers[peer.Slot].BitmapGeneration, .. ahead.History];
            if (ahead is not null)
                volume.AheadGeneration = ahead.Current;
        }

        volume.Disk = DiskState.Failed;
        volume.HasFailed = isLoss;
        volume.AttachesAgain = false;
        volume.LocalOperations = 0;
        context.StateChanged = true;
        ref Effect effect = ref context.Effects.Add(EffectKind.DetachDisk);
        effect.Volume = volume.Nr;
        effect.Note = (isLoss ? SuperblockFlags.LostPower : 0) | (leavesBehind ? SuperblockFlags.Outdated : 0);
        OnFailed(volume);
    }

    /// <summary>After every event in which something changed: remembers of absent disks that a peer goes on without them.</summary>
    public void NoteLeftBehind()
    {
        foreach (Volume volume in context.Volumes)
            volume.IsLeftBehind |= !volume.HasDisk && IsLeavingBehind(volume);
    }

    // A peer is Primary beside this Secondary: it goes on with the volume, whether a disk is here or not; unless this was its only copy.
    private bool IsLeavingBehind(Volume volume) =>
        context.Role != Role.Primary
        && Array.Exists(volume.Peers, static peer => peer is { PeerDisk: DiskState.Consistent or DiskState.UpToDate, Peer: { IsConnected: true, Role: Role.Primary } });

    // What says that the disk which is given up has something that the peer lacks: it is on record there; or it was about to be, and the peer lacks what was answered before that (protocols A and B). Of an Inconsistent disk
    // nothing counts.
    private Superblock? WhatIsAhead(Volume volume, PeerVolume peer)
    {
        if (volume.Durable is not { } durable || (durable.Flags & SuperblockFlags.Consistent) == 0)
            return null;
        if (Generations.HasGoneOnWithout(durable, peer.Slot))
            return durable;
        return volume.Superblock is { } pending && Generations.HasGoneOnWithout(pending, peer.Slot) && LostAnswers.IsOnlyCopy(durable, peer.Slot, context.Settings.Protocol) ? pending : null;
    }

    private void StartFlushIfDue(Volume volume)
    {
        if (volume.Flushes.Running != 0 || !volume.Flushes.HasWaiting || !volume.HasDisk)
            return;

        // Changes under way are not covered: the flush may pass them by.
        SequenceNumber covers = volume.Active.LowestSequence(new SequenceNumber(context.LastSequence.Value + 1));
        covers = new SequenceNumber(covers.Value - 1);
        ulong ticket = context.NextTicket();
        context.NoteDiskBusy(volume);
        volume.Flushes.Start(ticket, covers);
        ref Effect effect = ref context.Effects.Add(EffectKind.LocalFlush);
        effect.Volume = volume.Nr;
        effect.Ticket = ticket;
        effect.IsBackground = volume.Flushes.RunsInBackground;
    }
}
