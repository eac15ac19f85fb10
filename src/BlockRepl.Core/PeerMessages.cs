using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>What each message of a peer does, and when it may come. Messages of an old link never get here (hard part 11).</summary>
internal sealed class PeerMessages(
    ResourceContext context,
    Handshake handshake,
    Connections connections,
    RoleChanges roles,
    WritePath writes,
    SecondaryPath secondary,
    ResyncSource source,
    ResyncTarget target,
    SkipInitialSync skipInitialSync,
    ResyncRequests resyncRequests,
    ResyncPauses resyncPauses,
    SettingsChange settings,
    Verification verification,
    Congestion congestion,
    Resizing resizing,
    Detaching detaching)
{
    /// <summary>Any message but the frames of the data path. Returns what is wrong with it, or null.</summary>
    public string? Receive(Peer peer, PeerMessage message)
    {
        switch (message)
        {
            case HelloMessage hello:
                handshake.Hello(peer, hello);
                return null;
            case ResourceStateMessage state:
                handshake.State(peer, state);
                return null;
            case VerdictMessage verdict:
                handshake.Verdict(peer, verdict);
                return null;
            case GoodbyeMessage goodbye:
                connections.Goodbye(peer, goodbye);
                return null;
            case AliveMessage:
                return null;
            default:
                return peer.Step == HandshakeStep.Done ? OnConnectedMessage(peer, message) : $"{message.Kind} during the handshake";
        }
    }

    private string? OnConnectedMessage(Peer peer, PeerMessage message)
    {
        switch (message)
        {
            case PeerStatusMessage status:
                OnPeerStatus(peer, status);
                return null;
            case RoleRequestMessage request:
                roles.PeerAsks(peer, request);
                return null;
            case RoleReplyMessage reply:
                roles.PeerAnswers(peer, reply);
                return null;
            case WriteFailedMessage failed:
                return OnWriteFailed(peer, failed);
            case BitmapPartMessage part:
                return ForVolume(peer, part.Nr, ReplicationState.WFBitMapS, volume =>
                {
                    if (volume.Source is not null)
                        return "a bitmap that was complete already";
                    SourceMarks.Merge(volume, part);
                    if (part.Last)
                        source.Begin(volume);
                    return null;
                });
            case SyncBeginMessage begin:
                return ForVolume(peer, begin.Nr, ReplicationState.WFBitMapT, volume => target.Begin(volume, begin));
            case SyncBegunMessage begun:
                return ForVolume(peer, begun.Nr, ReplicationState.WFBitMapS, volume =>
                {
                    if (volume.Source is null)
                        return "a resync that has no name yet cannot have begun";
                    source.Begun(volume);
                    return null;
                });
            case SyncCheckpointMessage checkpoint:
                return ForVolume(peer, checkpoint.Nr, ReplicationState.SyncTarget, volume => target.Checkpoint(volume, checkpoint.Id));
            case SyncCheckpointDoneMessage done:
                return ForVolume(peer, done.Nr, ReplicationState.SyncSource, volume => source.CheckpointStable(volume, done.Id, here: false));
            case SyncClearedMessage cleared:
                return ForVolume(peer, cleared.Nr, ReplicationState.SyncTarget, volume => target.Cleared(volume, cleared.Id));
            case ResyncAckMessage ack:
                return ForVolume(peer, ack.Nr, ReplicationState.SyncSource, volume => source.Written(volume, ack.Pieces));
            case ResyncHashesMessage hashes:
                return ForVolume(peer, hashes.Nr, ReplicationState.SyncTarget, volume => target.Hashes(volume, hashes));
            case ResyncDiffersMessage differs:
                return ForVolume(peer, differs.Nr, ReplicationState.SyncSource, volume => source.Compared(volume, differs));
            case ResizeRequestMessage request:
                return secondary.FindVolume(peer, request.Nr) is { } grows ? resizing.PeerAsks(grows, request) : $"unknown volume number {request.Nr}";
            case ResizeReplyMessage reply:
                if (secondary.FindVolume(peer, reply.Nr) is { } grown)
                    resizing.PeerAnswers(grown, reply);
                return null;
            case DetachRequestMessage request:
                return ForVolume(peer, request.Nr, volume => detaching.PeerAsks(volume, request));
            case DetachReplyMessage reply:
                detaching.PeerAnswers(peer, reply);
                return null;
            case SettingsUpdateMessage update:
                settings.PeerChanged(peer, update);
                return null;
            case ResyncRequestMessage request:
                return ForVolume(peer, request.Nr, volume => resyncRequests.PeerAsks(volume, request, roles.IsBusy));
            case ResyncReplyMessage reply:
                resyncRequests.PeerAnswers(peer, reply);
                return null;
            case SyncEndMessage end:
                return OnSyncEnd(peer, end);
            case SyncEndedMessage ended:
                return OnSyncEnded(peer, ended);
            case BehindMessage:
                return congestion.FallBehind(peer);
            case VerifyControlMessage { Nr: var nr }:
                return ForVerify(peer, nr, message);
            case VerifyRangeMessage { Nr: var nr }:
                return ForVerify(peer, nr, message);
            case VerifyResultMessage { Nr: var nr }:
                return ForVerify(peer, nr, message);
            default:
                return $"{message.Kind} was not expected";
        }
    }

    private string? ForVolume(Peer peer, VolumeNr peerNr, Action<PeerVolume> action)
    {
        if (secondary.FindVolume(peer, peerNr) is not { } volume)
            return $"unknown volume number {peerNr}";
        action(volume);
        return null;
    }

    private string? ForVolume(Peer peer, VolumeNr peerNr, ReplicationState state, Action<PeerVolume> action) =>
        ForVolume(peer, peerNr, state, volume =>
        {
            action(volume);
            return null;
        });

    private string? ForVolume(Peer peer, VolumeNr peerNr, ReplicationState state, Func<PeerVolume, string?> action)
    {
        if (secondary.FindVolume(peer, peerNr) is not { } volume)
            return $"unknown volume number {peerNr}";
        if (volume.HasLostDisk)
            return null;
        if (volume.State != state)
            return $"{volume.Volume.Name} is {volume.State}, not {state}";
        return action(volume);
    }

    private string? ForVerify(Peer peer, VolumeNr nr, PeerMessage message) =>
        secondary.FindVolume(peer, nr) is { } volume ? verification.Receive(volume, message) : $"unknown volume number {nr}";

    private string? OnSyncEnd(Peer peer, SyncEndMessage end)
    {
        if (secondary.FindVolume(peer, end.Nr) is not { } volume)
            return $"unknown volume number {end.Nr}";
        if (volume.HasLostDisk)
            return null;
        bool skipsInitialSync = volume.State == ReplicationState.Established && SkipInitialSync.IsFresh(volume.Volume);
        if (volume.State != ReplicationState.SyncTarget && !skipsInitialSync)
            return $"{volume.Volume.Name} is {volume.State}: there is no resync to end";
        target.End(volume, end);
        return null;
    }

    private string? OnSyncEnded(Peer peer, SyncEndedMessage ended)
    {
        if (secondary.FindVolume(peer, ended.Nr) is not { } volume)
            return $"unknown volume number {ended.Nr}";
        if (volume.HasLostDisk)
            return null;
        if (volume.Source is { IsEnding: true })
            source.Ended(volume);
        else if (!skipInitialSync.PeerDone(volume))
            return $"{volume.Volume.Name}: the end of a resync that was not ending";
        return null;
    }

    /// <summary>What the peer has received and applied.</summary>
    public string? Ack(Peer peer, SequenceNumber received, SequenceNumber applied)
    {
        SequenceNumber counted = peer.Protocol == WriteProtocol.C && !Canary.ReceiptCountsAsWritten ? applied : received;
        if (received > context.LastSequence || applied > received)
            return $"an acknowledgement of {received}/{applied}, but only {context.LastSequence} was sent";
        if (applied > peer.Applied)
        {
            peer.Applied = applied;
            peer.Sent.Confirm(applied);
            peer.ProgressMs = context.NowMs;
        }

        if (counted > peer.Applied && counted > peer.AnsweredEarly)
            peer.AnsweredEarly = counted;
        writes.PeerApplied(peer, counted, peer.Applied);
        return null;
    }

    /// <summary>What the peer has on stable storage.</summary>
    public string? Stable(Peer peer, VolumeNr nr, SequenceNumber sequence)
    {
        if (secondary.FindVolume(peer, nr) is not { } volume)
            return $"stable: unknown volume number {nr}";
        if (sequence > context.LastSequence)
            return $"{volume.Volume.Name} stable up to {sequence}, but only {context.LastSequence} was sent";
        peer.ProgressMs = context.NowMs;
        if (volume.IsReplicating)
            writes.PeerStable(volume, sequence);
        return null;
    }

    // The peer's disk did not take a write: it is not a copy any more. Marked and out of the mirror before the acknowledgement that follows counts (I3).
    private string? OnWriteFailed(Peer peer, WriteFailedMessage failed)
    {
        if (secondary.FindVolume(peer, failed.Nr) is not { } volume)
            return $"unknown volume number {failed.Nr}";
        context.Log($"{context.Settings.Name}/{volume.Volume.Name}@{peer.Name}: the peer could not write {failed.Range}: {new DiskResult(failed.Errno)}");
        volume.Mark(failed.Range);
        PeerDiskGone(volume, DiskState.Failed);
        return null;
    }

    /// <summary>The peer is about to detach its disk: it is a copy no more.</summary>
    public void PeerDetaches(PeerVolume volume) => PeerDiskGone(volume, DiskState.Failed);

    private void PeerDiskGone(PeerVolume volume, DiskState state)
    {
        volume.PeerDisk = state;
        volume.Source = null;
        volume.Target = null;
        writes.StopReplicating(volume);
        if (volume.State != ReplicationState.Off)
            volume.State = ReplicationState.Established;
        context.StateChanged = true;
    }

    private void OnPeerStatus(Peer peer, PeerStatusMessage status)
    {
        // Only news may count as a change: a status is sent for each, and two nodes would answer each other for ever.
        context.StateChanged |= peer.Role != status.Role;
        peer.Role = status.Role;
        if (status.Role == Role.Primary)
            PromotionWithoutDisk.PeerIsPrimary(context, peer);
        foreach (PeerVolumeStatus theirs in status.Volumes)
        {
            if (secondary.FindVolume(peer, theirs.Nr) is not { } volume)
                continue;
            if (volume.Target is { } job)
            {
                volume.PeerReportedDirtyBlocks = theirs.DirtyBlocks;
                job.TotalBlocks = Math.Max(job.TotalBlocks, theirs.DirtyBlocks);
            }

            if (volume.State == ReplicationState.Established)
            {
                context.StateChanged |= volume.PeerMarkedBlocks != theirs.DirtyBlocks;
                volume.PeerMarkedBlocks = theirs.DirtyBlocks;
            }

            resyncPauses.PeerSays(volume, Find(status.Resyncs, theirs.Nr));
            context.StateChanged |= volume.PeerDisk != theirs.DiskState;
            if (theirs.DiskState <= DiskState.Failed && volume.PeerDisk > DiskState.Failed)
                PeerDiskGone(volume, theirs.DiskState);
            else
                volume.PeerDisk = theirs.DiskState;
        }
    }

    private static ResyncStatus? Find(System.Collections.Immutable.ImmutableArray<ResyncStatus> resyncs, VolumeNr nr)
    {
        foreach (ResyncStatus resync in resyncs)
        {
            if (resync.Nr == nr)
                return resync;
        }

        return null;
    }
}
