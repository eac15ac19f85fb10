using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The state machine of one resource on one node: roles, disk and connection states, the fate of each write, ordering, generations, resync. It is
/// passive and knows no thread, clock, socket or file: whoever brings an event calls <see cref="Apply"/> under the resource's gate and then carries the effects out.
/// </summary>
/// <remarks>
/// Not thread-safe: the caller's gate is its only protection. Allocation-free for client changes, acknowledgements and stream changes once warm.
/// Throws <see cref="BugException"/> when an invariant is broken; the process must then end.
/// </remarks>
public sealed class ResourceCore
{
    private readonly ResourceContext _context;
    private readonly Generations _generations;
    private readonly LocalDisk _disk;
    private readonly WritePath _writes;
    private readonly SecondaryPath _secondary;
    private readonly ResyncSource _source;
    private readonly ResyncTarget _target;
    private readonly Handshake _handshake;
    private readonly Connections _connections;
    private readonly RoleChanges _roles;
    private readonly Attachment _attachment;
    private readonly Shutdown _shutdown;
    private readonly SkipInitialSync _skipInitialSync;

    /// <param name="settings">The resource's configuration; fixed for the life of this object.</param>
    /// <param name="chance">Where random numbers come from.</param>
    public ResourceCore(ResourceSettings settings, IChance chance)
    {
        _context = new ResourceContext(settings, chance);
        _generations = new Generations(_context);
        _disk = new LocalDisk(_context);
        _writes = new WritePath(_context, _generations, _disk);
        _secondary = new SecondaryPath(_context, _disk);
        _source = new ResyncSource(_context, _generations, _disk);
        _target = new ResyncTarget(_context, _generations, _disk);
        _handshake = new Handshake(_context, _writes, _source, _target);
        _connections = new Connections(_context, _writes, _secondary, _handshake, _generations);
        _roles = new RoleChanges(_context, _writes, _disk, _connections);
        _attachment = new Attachment(_context);
        _shutdown = new Shutdown(_context, _writes, _disk, _connections, _attachment);
        _skipInitialSync = new SkipInitialSync(_context, _generations);
        Status = new ResourceStatusReader(_context, _writes);

        _generations.OnChangeReleased = _writes.FinishIfDone;
        _disk.OnFlushed = OnFlushed;
        _disk.OnFailed = OnDiskFailed;
        _handshake.OnRefused = _connections.Refuse;
        _handshake.IsRoleChanging = () => _roles.IsBeyondRefusal;
        _attachment.OnAttached = RenegotiateDiskless;
        _connections.OnLost = peer =>
        {
            _roles.PeerLost();
            _skipInitialSync.PeerLost(peer);
        };
    }

    /// <summary>What an operator may see. Read under the gate.</summary>
    public ResourceStatusReader Status { get; }

    /// <summary>This node's role.</summary>
    public Role Role => _context.Role;

    /// <summary>
    /// Takes one event in and appends what follows from it to <paramref name="effects"/>. Ends with a fixed pass that restores the invariants: logs written, acknowledgements
    /// due, barriers of its own, resyncs kept going, handshakes and role changes taken up.
    /// </summary>
    public void Apply(in CoreEvent e, EffectQueue effects)
    {
        _context.Effects = effects;
        _context.NowMs = e.NowMs;
        Dispatch(in e);
        Settle();
        if (_context.StateChanged)
        {
            _context.StateChanged = false;
            effects.Add(EffectKind.StateChanged);
        }
    }

    private void Dispatch(in CoreEvent e)
    {
        switch (e.Kind)
        {
            case CoreEventKind.ClientChange:
                _writes.ClientChange(e.Volume, e.Header, (BlockBuffer?)e.Subject, e.Offset, e.Second!);
                break;
            case CoreEventKind.LocalChangeCompleted:
                OnLocalChangeCompleted((ChangeRequest)e.Subject!, e.Result);
                break;
            case CoreEventKind.LocalFlushCompleted:
                _disk.FlushCompleted(VolumeOf(e), e.Number, e.Result);
                break;
            case CoreEventKind.MetadataWritten:
                OnMetadataWritten((MetadataWrite)e.Subject!, e.Result);
                break;
            case CoreEventKind.ResyncReadCompleted:
                _source.ReadCompleted((ChangeRequest)e.Subject!, e.Result);
                ReleaseHeld(_context.Volumes[e.Volume.Value]);
                break;
            case CoreEventKind.DiskAttached:
                _attachment.Attach(VolumeOf(e), (AttachedDisk)e.Subject!);
                break;
            case CoreEventKind.DiskFailed:
                _disk.Fail(VolumeOf(e), (string)e.Subject!);
                break;
            case CoreEventKind.Command:
                OnCommand((OperatorCommand)e.Subject!, e.Second);
                break;
            case CoreEventKind.LinkUp:
                _connections.LinkUp(PeerOf(e), e.Link);
                break;
            case CoreEventKind.LinkDown:
                _connections.LinkDown(PeerOf(e), e.Link, e.State, (string)e.Subject!);
                break;
            case CoreEventKind.Tick:
                PeerOf(e).LastReceivedMs = (long)e.Number;
                _connections.Tick(PeerOf(e));
                break;
            default:
                if (PeerOf(e).Link == e.Link && e.Link != LinkId.None)
                    DispatchPeer(in e, PeerOf(e));
                break;
        }
    }

    private void DispatchPeer(in CoreEvent e, Peer peer)
    {
        peer.LastReceivedMs = e.NowMs;
        string? wrong = null;
        switch (e.Kind)
        {
            case CoreEventKind.PeerChange:
                wrong = _secondary.PeerChange(peer, e.Sequence, e.Header, (BlockBuffer?)e.Subject, e.Offset);
                break;
            case CoreEventKind.PeerAck:
                wrong = OnAck(peer, e.Sequence, e.Applied);
                break;
            case CoreEventKind.PeerStable:
                wrong = OnStable(peer, e.Volume, e.Sequence);
                break;
            case CoreEventKind.ResyncData:
                if (_secondary.FindVolume(peer, e.Header.Volume) is not { } volume)
                    wrong = "resync data for an unknown volume";
                else if (!HasLostDisk(volume))
                    wrong = _target.Data(volume, e.Header.Range, (BlockBuffer?)e.Subject, e.Offset, e.Header.Kind == ChangeKind.Zeroes);
                break;
            case CoreEventKind.PeerMessage:
                wrong = OnMessage(peer, (PeerMessage)e.Subject!);
                break;
            default:
                throw Check.Unreachable("event kind");
        }

        if (wrong is not null)
            _connections.Refuse(peer, GoodbyeReason.Protocol, wrong);
    }

    private string? OnMessage(Peer peer, PeerMessage message)
    {
        switch (message)
        {
            case HelloMessage hello:
                _handshake.Hello(peer, hello);
                return null;
            case ResourceStateMessage state:
                _handshake.State(peer, state);
                return null;
            case VerdictMessage verdict:
                _handshake.Verdict(peer, verdict);
                return null;
            case GoodbyeMessage goodbye:
                _connections.Goodbye(peer, goodbye);
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
                _roles.PeerAsks(peer, request);
                return null;
            case RoleReplyMessage reply:
                _roles.PeerAnswers(peer, reply);
                return null;
            case WriteFailedMessage failed:
                return OnWriteFailed(peer, failed);
            case BitmapPartMessage part:
                return ForVolume(peer, part.Nr, ReplicationState.WFBitMapS, volume =>
                {
                    if (volume.Source is not null)
                        return "a bitmap that was complete already";
                    ResyncSource.MergeBitmap(volume, part);
                    if (part.Last)
                        _source.Begin(volume);
                    return null;
                });
            case SyncBeginMessage begin:
                return ForVolume(peer, begin.Nr, ReplicationState.WFBitMapT, volume => _target.Begin(volume, begin));
            case SyncBegunMessage begun:
                return ForVolume(peer, begun.Nr, ReplicationState.WFBitMapS, volume =>
                {
                    if (volume.Source is null)
                        return "a resync that has no name yet cannot have begun";
                    _source.Begun(volume);
                    return null;
                });
            case SyncCheckpointMessage checkpoint:
                return ForVolume(peer, checkpoint.Nr, ReplicationState.SyncTarget, volume => _target.Checkpoint(volume, checkpoint.Id));
            case SyncCheckpointDoneMessage done:
                return ForVolume(peer, done.Nr, ReplicationState.SyncSource, volume => _source.CheckpointStable(volume, done.Id, here: false));
            case SyncClearedMessage cleared:
                return ForVolume(peer, cleared.Nr, ReplicationState.SyncTarget, volume => _target.Cleared(volume, cleared.Id));
            case SyncEndMessage end:
                return OnSyncEnd(peer, end);
            case SyncEndedMessage ended:
                return OnSyncEnded(peer, ended);
            default:
                return $"{message.Kind} was not expected";
        }
    }

    private string? ForVolume(Peer peer, VolumeNr peerNr, ReplicationState state, Action<PeerVolume> action) =>
        ForVolume(peer, peerNr, state, volume =>
        {
            action(volume);
            return null;
        });

    private string? ForVolume(Peer peer, VolumeNr peerNr, ReplicationState state, Func<PeerVolume, string?> action)
    {
        if (_secondary.FindVolume(peer, peerNr) is not { } volume)
            return $"unknown volume number {peerNr}";
        if (HasLostDisk(volume))
            return null;
        if (volume.State != state)
            return $"{volume.Volume.Name} is {volume.State}, not {state}";
        return action(volume);
    }

    // A disk failed meanwhile, here or there; what belonged to the resync may still be on its way, and the other side learns it from the status on its.
    private static bool HasLostDisk(PeerVolume volume) => !volume.Volume.HasDisk || volume.PeerDisk <= DiskState.Failed;

    private string? OnSyncEnd(Peer peer, SyncEndMessage end)
    {
        if (_secondary.FindVolume(peer, end.Nr) is not { } volume)
            return $"unknown volume number {end.Nr}";
        if (HasLostDisk(volume))
            return null;
        bool skipsInitialSync = volume.State == ReplicationState.Established && SkipInitialSync.IsFresh(volume.Volume);
        if (volume.State != ReplicationState.SyncTarget && !skipsInitialSync)
            return $"{volume.Volume.Name} is {volume.State}: there is no resync to end";
        _target.End(volume, end);
        return null;
    }

    private string? OnSyncEnded(Peer peer, SyncEndedMessage ended)
    {
        if (_secondary.FindVolume(peer, ended.Nr) is not { } volume)
            return $"unknown volume number {ended.Nr}";
        if (HasLostDisk(volume))
            return null;
        if (volume.Source is { IsEnding: true })
            _source.Ended(volume);
        else if (!_skipInitialSync.PeerDone(volume))
            return $"{volume.Volume.Name}: the end of a resync that was not ending";
        return null;
    }

    private string? OnAck(Peer peer, SequenceNumber received, SequenceNumber applied)
    {
        SequenceNumber counted = _context.Settings.Protocol == WriteProtocol.C ? applied : received;
        if (received > _context.LastSequence || applied > received)
            return $"an acknowledgement of {received}/{applied}, but only {_context.LastSequence} was sent";
        if (applied > peer.Applied)
        {
            peer.Applied = applied;
            peer.ProgressMs = _context.NowMs;
        }

        _writes.PeerApplied(peer, counted);
        return null;
    }

    private string? OnStable(Peer peer, VolumeNr nr, SequenceNumber sequence)
    {
        if (_secondary.FindVolume(peer, nr) is not { } volume)
            return $"stable: unknown volume number {nr}";
        if (sequence > _context.LastSequence)
            return $"{volume.Volume.Name} stable up to {sequence}, but only {_context.LastSequence} was sent";
        peer.ProgressMs = _context.NowMs;
        if (volume.IsReplicating)
            _writes.PeerStable(volume, sequence);
        return null;
    }

    // The peer's disk did not take a write: it is not a copy any more. Marked and out of the mirror before the acknowledgement that follows counts (I3).
    private string? OnWriteFailed(Peer peer, WriteFailedMessage failed)
    {
        if (_secondary.FindVolume(peer, failed.Nr) is not { } volume)
            return $"unknown volume number {failed.Nr}";
        _context.Log($"{_context.Settings.Name}/{volume.Volume.Name}@{peer.Name}: the peer could not write {failed.Range}: {new DiskResult(failed.Errno)}");
        volume.Mark(failed.Range);
        PeerDiskGone(volume, DiskState.Failed);
        return null;
    }

    private void PeerDiskGone(PeerVolume volume, DiskState state)
    {
        volume.PeerDisk = state;
        volume.Source = null;
        volume.Target = null;
        _writes.StopReplicating(volume);
        if (volume.State != ReplicationState.Off)
            volume.State = ReplicationState.Established;
        _context.StateChanged = true;
    }

    private void OnPeerStatus(Peer peer, PeerStatusMessage status)
    {
        // Only news may count as a change: a status is sent for each, and two nodes would answer each other for ever.
        _context.StateChanged |= peer.Role != status.Role;
        peer.Role = status.Role;
        foreach (PeerVolumeStatus theirs in status.Volumes)
        {
            if (_secondary.FindVolume(peer, theirs.Nr) is not { } volume)
                continue;
            if (volume.Target is { } job)
            {
                volume.PeerReportedDirtyBlocks = theirs.DirtyBlocks;
                job.TotalBlocks = Math.Max(job.TotalBlocks, theirs.DirtyBlocks);
            }

            _context.StateChanged |= volume.PeerDisk != theirs.DiskState;
            if (theirs.DiskState <= DiskState.Failed && volume.PeerDisk > DiskState.Failed)
                PeerDiskGone(volume, theirs.DiskState);
            else
                volume.PeerDisk = theirs.DiskState;
        }
    }

    private void OnLocalChangeCompleted(ChangeRequest request, DiskResult result)
    {
        Volume volume = VolumeOf(request);
        volume.Active.Remove(request);
        switch (request.Origin)
        {
            case ChangeOrigin.Client:
                OnClientWriteDone(volume, request, result);
                break;
            case ChangeOrigin.Peer:
                Peer peer = FindPeer(request.Link);
                _secondary.LocalDone(peer, request, result);
                if (!result.IsOk)
                    _disk.Fail(volume, $"write failed: {result}");
                break;
            case ChangeOrigin.ResyncWrite:
                _target.WriteCompleted(request, result);
                break;
            default:
                throw Check.Unreachable("origin of a local change");
        }

        ReleaseHeld(volume);
    }

    // A write that found no room changed nothing that anybody was told of; the disk is sound. The peer may have it: marked. Any other error costs the disk.
    private void OnClientWriteDone(Volume volume, ChangeRequest request, DiskResult result)
    {
        if (result == DiskResult.NoSpace)
        {
            foreach (PeerVolume peer in volume.Peers)
                peer.Mark(request.Range);
        }
        else if (!result.IsOk)
        {
            _disk.Fail(volume, $"write failed: {result}");
        }

        _writes.LocalDone(request, result);
    }

    private void OnFlushed(FlushWaiter waiter, DiskResult result)
    {
        switch (waiter.Kind)
        {
            case FlushWaiterKind.Client:
                _writes.LocalDone((ChangeRequest)waiter.Subject, result);
                break;
            case FlushWaiterKind.PeerBarrier:
                var barrier = (PeerVolume)waiter.Subject;
                _secondary.BarrierFlushed(barrier.Peer, barrier.Volume, waiter.Link, new SequenceNumber(waiter.Number), result);
                break;
            case FlushWaiterKind.SourceCheckpoint:
                var source = (PeerVolume)waiter.Subject;
                if (result.IsOk && source.Peer.Link == waiter.Link)
                    _source.CheckpointStable(source, waiter.Number, here: true);
                break;
            case FlushWaiterKind.TargetCheckpoint:
                _target.CheckpointFlushed((PeerVolume)waiter.Subject, waiter.Link, waiter.Number, result);
                break;
            case FlushWaiterKind.Action:
                ((Action<DiskResult>)waiter.Subject)(result);
                break;
            default:
                throw Check.Unreachable("flush waiter");
        }
    }

    private void OnDiskFailed(Volume volume)
    {
        foreach (PeerVolume peer in volume.Peers)
        {
            peer.Source = null;
            peer.Target = null;
            peer.IsReplicating = false;
            if (peer.State != ReplicationState.Off)
                peer.State = ReplicationState.Established;
        }

        _writes.DiskFailed(volume);
        SendStatus();
    }

    // A peer that was told "Diskless" knows nothing of this disk's generation: only a new handshake can decide (I10).
    private void RenegotiateDiskless()
    {
        foreach (Peer peer in _context.Peers)
        {
            if (peer.Step is HandshakeStep.State or HandshakeStep.Verdict or HandshakeStep.Done)
                _connections.Renegotiate(peer, "a disk was attached");
        }
    }

    private void OnMetadataWritten(MetadataWrite write, DiskResult result)
    {
        Volume volume = _context.Volumes[write.Volume.Value];
        volume.MetadataWrites--;
        if (result.IsOk)
            write.OnDurable?.Invoke();
        else if (volume.Disk is DiskState.Attaching)
            volume.Disk = DiskState.Failed;
        else
            _disk.Fail(volume, $"metadata could not be written: {result}");
        if (!result.IsOk)
            write.OnFailed?.Invoke();
    }

    private void OnCommand(OperatorCommand command, object? cookie)
    {
        switch (command.Verb)
        {
            case OperatorVerb.Primary when _shutdown.IsBusy:
                _context.CompleteCommand(cookie, CommandResult.Refused(
                    $"{_context.Settings.Name} is being disconnected or taken down", "try again when it is over"));
                break;
            case OperatorVerb.Down when _roles.IsBusy:
                _context.CompleteCommand(cookie, CommandResult.Refused(
                    $"a role change of {_context.Settings.Name} is under way", "try again when it is over"));
                break;
            case OperatorVerb.Primary:
                _roles.Promote(cookie, command.Force);
                break;
            case OperatorVerb.Secondary:
                _roles.Demote(cookie);
                break;
            case OperatorVerb.Connect:
                foreach (Peer peer in _context.Peers)
                {
                    if (command.Peer is null || command.Peer == peer.Id)
                        _connections.Connect(peer, command.DiscardMyData);
                }

                _context.CompleteCommand(cookie, CommandResult.Ok);
                break;
            case OperatorVerb.Disconnect:
                _shutdown.Disconnect(cookie);
                break;
            case OperatorVerb.Down:
                _shutdown.Down(cookie);
                break;
            case OperatorVerb.SkipInitialSync:
                _skipInitialSync.Start(cookie);
                break;
            default:
                throw Check.Unreachable("operator verb");
        }
    }

    private void ReleaseHeld(Volume volume)
    {
        while (volume.Active.HeldCount > 0 && volume.Active.TakeReleased() is { } request)
        {
            switch (request.Origin)
            {
                case ChangeOrigin.Client:
                    _writes.Start(volume, request);
                    break;
                case ChangeOrigin.Peer:
                    _secondary.Start(request);
                    break;
                case ChangeOrigin.ResyncRead:
                    _source.StartRead(request);
                    break;
                case ChangeOrigin.ResyncWrite:
                    _target.StartWrite(request);
                    break;
                default:
                    throw Check.Unreachable("origin of a held change");
            }
        }
    }

    /// <summary>The pass after every event. Each step does nothing unless something is due.</summary>
    private void Settle()
    {
        foreach (Volume volume in _context.Volumes)
        {
            if (_context.Role == Role.Primary && volume.HasDisk)
            {
                _writes.AdvanceActivityLog(volume);
                _writes.SendOwnBarrierIfDue(volume);
            }

            foreach (PeerVolume peer in volume.Peers)
            {
                if (peer.Source is not null)
                    _source.Pump(peer);
            }
        }

        foreach (Peer peer in _context.Peers)
        {
            if (peer.Step == HandshakeStep.Done)
                _secondary.AcknowledgeIfDue(peer);
        }

        if (_roles.IsBusy)
            _roles.Advance();
        if (_shutdown.IsBusy)
            _shutdown.Advance();

        // After the roles: a handshake may have waited for one.
        foreach (Peer peer in _context.Peers)
        {
            if (peer.Step == HandshakeStep.Draining)
                _handshake.Advance(peer);
        }

        // And once more: a promotion may have waited for that handshake, which was refused.
        if (_roles.IsBusy)
            _roles.Advance();

        if (_context.StateChanged)
            SendStatus();
    }

    private void SendStatus()
    {
        foreach (Peer peer in _context.Peers)
        {
            if (peer.IsConnected && peer.Link != LinkId.None)
                _context.Send(peer, Status.ForPeer(peer));
        }
    }

    private Volume VolumeOf(in CoreEvent e) => _context.Volumes[e.Volume.Value];

    private Volume VolumeOf(ChangeRequest request) => _context.Volumes[request.Volume.Value];

    private Peer PeerOf(in CoreEvent e) => _context.Peers[e.Peer.Value];

    // A change of a link that is gone belongs to nobody; any peer will do to end it.
    private Peer FindPeer(LinkId link)
    {
        foreach (Peer peer in _context.Peers)
        {
            if (peer.Link == link)
                return peer;
        }

        return _context.Peers[0];
    }
}
