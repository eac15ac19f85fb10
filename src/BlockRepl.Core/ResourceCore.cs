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
    private readonly ActivityLogWriter _activityLogs;
    private readonly SecondaryPath _secondary;
    private readonly ServingPath _serving;
    private readonly RemoteService _remote;
    private readonly ReturningDisk _returning;
    private readonly Detaching _detaching;
    private readonly ResyncSource _source;
    private readonly ResyncTarget _target;
    private readonly Handshake _handshake;
    private readonly Connections _connections;
    private readonly RoleChanges _roles;
    private readonly Attachment _attachment;
    private readonly Shutdown _shutdown;
    private readonly SkipInitialSync _skipInitialSync;
    private readonly Verification _verification;
    private readonly Congestion _congestion;
    private readonly ResyncRequests _resyncRequests;
    private readonly ResyncPauses _resyncPauses;
    private readonly SettingsChange _settings;
    private readonly Resizing _resizing;
    private readonly VolumeRemoval _removal;
    private readonly PeerMessages _messages;
    private readonly DiskCompletions _completions;
    private readonly Handlers _handlers;
    private readonly Fencing _fencing;
    private readonly IoSuspension _suspension;
    private readonly Outdating _outdating;
    private readonly EarlyAnswers _earlyAnswers;
    private readonly OperatorCommands _commands;
    private readonly DataAccess _access;
    private readonly PeerStatusSender _tellPeers;

    /// <param name="settings">The resource's configuration; replaced by <see cref="CoreEventKind.SettingsChanged"/>.</param>
    /// <param name="chance">Where random numbers come from.</param>
    public ResourceCore(ResourceSettings settings, IChance chance)
    {
        _context = new ResourceContext(settings, chance);
        _tellPeers = new PeerStatusSender(_context, peer => Status!.ForPeer(peer));
        _handlers = new Handlers(_context);
        _generations = new Generations(_context);
        _disk = new LocalDisk(_context);
        var freeze = new FreezeRecord(_context);
        var fenced = new FencedChanges(_context, freeze, _generations);
        _remote = new RemoteService(_context, _generations) { Disk = _disk };
        _writes = new WritePath(_context, freeze, fenced, _disk, _remote);
        fenced.OnReleased = _writes.FinishIfDone;
        _fencing = new Fencing(_context, _writes, _handlers);
        _activityLogs = new ActivityLogWriter(_context, _writes);
        _secondary = new SecondaryPath(_context, _disk);
        _serving = new ServingPath(_context, _generations, _disk);
        _source = new ResyncSource(_context, _generations, _disk);
        _target = new ResyncTarget(_context, _generations, _disk);
        _handshake = new Handshake(_context, _writes, _source, _target, _handlers);
        _connections = new Connections(_context, _writes, _secondary, _handshake, _generations);
        _roles = new RoleChanges(_context, _writes, _disk, _connections, _fencing, _remote);
        _outdating = new Outdating(_context) { IsPromoting = () => _roles.HasJudgedData };
        _earlyAnswers = new EarlyAnswers(_context);
        _suspension = new IoSuspension(_context, _writes, _disk, _fencing);
        _returning = new ReturningDisk(_context, _disk);
        _detaching = new Detaching(_context, _disk, _remote);
        _attachment = new Attachment(_context);
        _shutdown = new Shutdown(_context, _writes, _disk, _connections, _attachment, _outdating) { TellPeers = _tellPeers.Send };
        _skipInitialSync = new SkipInitialSync(_context, _generations);
        _settings = new SettingsChange(_context, _connections);
        _resizing = new Resizing(_context, _connections);
        _removal = new VolumeRemoval(_context, _writes, _disk, _connections, _attachment);
        _handshake.OnLargerPeer = _resizing.Continue;
        _resyncRequests = new ResyncRequests(_context, freeze, _generations, _source, _target);
        _resyncPauses = new ResyncPauses(_context);
        _verification = new Verification(_context, freeze, _disk);
        _commands = new OperatorCommands(
            _context, _roles, _shutdown, _connections, _skipInitialSync, _resyncRequests, _resyncPauses, _outdating, _suspension, _verification, _resizing, _detaching, _removal);
        _congestion = new Congestion(_context, _writes, _generations, _connections, _resyncRequests);
        _shutdown.LeaveBehind = _congestion.LeaveBehind;
        _messages = new PeerMessages(
            _context, _handshake, _connections, _roles, _writes, _secondary, _source, _target, _skipInitialSync, _resyncRequests, _resyncPauses, _settings,
            _verification, _congestion, _resizing, _detaching);
        _detaching.OnPeerDetaches = _messages.PeerDetaches;
        _completions = new DiskCompletions(_context, _disk, _writes, _secondary, _serving, _source, _target, _remote, _verification);
        Status = new ResourceStatusReader(_context, _writes, _fencing, _suspension, _roles);

        _generations.Disk = _disk;
        _generations.OnChangeReleased = _writes.FinishIfDone;
        _disk.OnFlushed = _completions.Flushed;
        _disk.OnFailed = volume =>
        {
            _completions.DiskFailed(volume);
            _resizing.DiskLost(volume);
            _handlers.Call(HandlerKind.LocalIoError, volume: volume);
            _tellPeers.Send();
        };
        _source.OnBeginning = peerVolume => _handlers.Call(HandlerKind.BeforeResyncSource, peerVolume.Peer, peerVolume.Volume);
        _access = new DataAccess(_context, _handlers);
        _target.BeforeBegin = new ResyncConsent(_context, _handlers, _connections).IsGiven;
        _target.OnFinished = peerVolume => _handlers.Call(HandlerKind.AfterResyncTarget, peerVolume.Peer, peerVolume.Volume);
        ServiceWiring.Connect(_remote, _returning, _writes, _secondary, _attachment, _resyncRequests, _target);
        _handshake.OnRefused = _connections.Refuse;
        _handshake.OnConnected = peer =>
        {
            _earlyAnswers.Settle(); // before anything that was held goes on
            _remote.Connected(peer, () => _writes.Thaw(FreezeReason.NoData));
            OneHistory.Connected(_context, peer);
        };
        _handshake.IsRoleChanging = () => _roles.IsBeyondRefusal;
        _attachment.OnAttached = RenegotiateDiskless;
        _verification.Source.OnDifferent = peerVolume => _handlers.Call(HandlerKind.OutOfSync, peerVolume.Peer, peerVolume.Volume);
        _connections.OnDisconnecting = peer =>
        {
            _fencing.Disconnecting(peer);
            if (peer.Step == HandshakeStep.Done)
                _handlers.Call(HandlerKind.Disconnected, peer);
        };
        _handshake.BeforeVerdict = _fencing.BeforeVerdict;
        _connections.OnLost = peer =>
        {
            _remote.ConnectionLost(peer);
            _roles.PeerLost();
            _resizing.PeerLost();
            _skipInitialSync.PeerLost(peer);
        };
    }

    /// <summary>What an operator may see. Read under the gate.</summary>
    public ResourceStatusReader Status { get; }

    /// <summary>This node's role.</summary>
    public Role Role => _context.Role;

    /// <summary>
    /// Takes one event in and appends what follows from it to <paramref name="effects"/>. Ends with a fixed pass that restores the invariants: logs written, acknowledgements
    /// due, barriers of its own, resyncs kept going, handshakes and role changes taken up. <paramref name="nowUs"/>: monotonic µs, for measuring only; 0 where the event's ms will do.
    /// </summary>
    public void Apply(in CoreEvent e, EffectQueue effects, long nowUs = 0)
    {
        _context.Effects = effects;
        _context.NowMs = e.NowMs;
        _context.NowUs = nowUs != 0 ? nowUs : e.NowMs * 1000;
        if (e.WallMs > 0)
            _context.WallOffsetMs = e.WallMs - e.NowMs;
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
                _completions.LocalChangeCompleted((ChangeRequest)e.Subject!, e.Result);
                break;
            case CoreEventKind.LocalFlushCompleted:
                _disk.FlushCompleted(VolumeOf(e), e.Number, e.Result);
                break;
            case CoreEventKind.MetadataWritten:
                _completions.MetadataWritten((MetadataWrite)e.Subject!, e.Result);
                break;
            case CoreEventKind.ResyncReadCompleted:
            case CoreEventKind.PeerReadCompleted:
            case CoreEventKind.VerifyReadCompleted:
                _completions.ReadCompleted((ChangeRequest)e.Subject!, e.Result);
                break;
            case CoreEventKind.ClientRead:
                _remote.ClientRead(VolumeOf(e), e.Header.Range, e.Result, e.Number, e.Second!);
                break;
            case CoreEventKind.DiskAttached:
                VolumeOf(e).DiskSerial = e.Number;
                _attachment.Attach(VolumeOf(e), (AttachedDisk)e.Subject!);
                break;
            case CoreEventKind.DiskFailed:
                if (e.Number == VolumeOf(e).DiskSerial)
                    _disk.Fail(VolumeOf(e), (string)e.Subject!);
                break;
            case CoreEventKind.DiskClosed:
                if (e.Number == VolumeOf(e).DiskSerial)
                    VolumeOf(e).IsClosed = true;
                break;
            case CoreEventKind.HandlerCompleted:
                _handlers.Completed((HandlerOutcome)e.Subject!);
                break;
            case CoreEventKind.BlocksSaved:
                _handshake.Saves.Completed((SaveOutcome)e.Subject!);
                break;
            case CoreEventKind.Command:
                _commands.Carry((OperatorCommand)e.Subject!, e.Second);
                break;
            case CoreEventKind.VolumeAdded:
                _context.AddVolume((string)e.Subject!).IsNewOnPrimary = _context.Role == Role.Primary;
                _context.StateChanged = true;
                break;
            case CoreEventKind.ResyncTurn:
                _resyncPauses.SetTurn(VolumeOf(e), e.Number != 0);
                break;
            case CoreEventKind.DiskGrown:
                OnDiskGrown(e);
                break;
            case CoreEventKind.SettingsChanged:
                _settings.Apply((ResourceSettings)e.Subject!);
                break;
            case CoreEventKind.LinkUp:
                _connections.LinkUp(PeerOf(e), e.Link);
                break;
            case CoreEventKind.LinkDown:
                _connections.LinkDown(PeerOf(e), e.Link, e.State, (string)e.Subject!);
                break;
            case CoreEventKind.Tick:
                PeerOf(e).LastReceivedMs = Math.Max(PeerOf(e).LastReceivedMs, (long)e.Number);
                _connections.Tick(PeerOf(e));
                _disk.Tick();
                _resyncRequests.Tick(PeerOf(e));
                break;
            default:
                if ((PeerOf(e).Link == e.Link || Canary.OldLinkCounts) && e.Link != LinkId.None)
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
                wrong = _messages.Ack(peer, e.Sequence, e.Applied);
                break;
            case CoreEventKind.PeerStable:
                wrong = _messages.Stable(peer, e.Volume, e.Sequence);
                break;
            case CoreEventKind.ResyncData:
                if (_secondary.FindVolume(peer, e.Header.Volume) is not { } volume)
                    wrong = "resync data for an unknown volume";
                else if (volume.Target is null && volume.RepairedOn == peer.Link)
                    wrong = _verification.RepairData(volume, e.Header.Range, (BlockBuffer?)e.Subject, e.Offset, e.Header.Kind == ChangeKind.Zeroes);
                else if (!volume.HasLostDisk)
                    wrong = _target.Data(volume, e.Header.Range, (BlockBuffer?)e.Subject, e.Offset, e.Header.Kind == ChangeKind.Zeroes, e.Applied);
                break;
            case CoreEventKind.PeerMessage when e.Subject is ReadRequestMessage request:
                wrong = peer.Step == HandshakeStep.Done
                    ? _serving.Asked(peer, _secondary.FindVolume(peer, request.Nr), request)
                    : "a read request during the handshake";
                break;
            case CoreEventKind.ReadReplied:
                wrong = _remote.Replied(peer, e.Number, e.Result, (int)e.Header.Length, (BlockBuffer?)e.Subject, e.Offset);
                break;
            case CoreEventKind.PeerMessage:
                wrong = _messages.Receive(peer, (PeerMessage)e.Subject!);
                break;
            default:
                throw Check.Unreachable("event kind");
        }

        if (wrong is not null)
            _connections.Refuse(peer, GoodbyeReason.Protocol, wrong);
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

    private void OnDiskGrown(in CoreEvent e)
    {
        var grown = (GrownDisk)e.Subject!;
        if (_resizing.Grown(VolumeOf(e), e.Number, (PeerVolume?)e.Second, e.Link, grown) && !grown.Result.IsOk)
            _disk.Fail(VolumeOf(e), $"its metadata could not be moved: {grown.Result}");
    }

    /// <summary>The pass after every event. Each step does nothing unless something is due.</summary>
    private void Settle()
    {
        // First: what it lets go takes part in the rest.
        _fencing.Settle();
        if (_context.StateChanged)
        {
            _access.Settle();
            _disk.NoteLeftBehind();
            _resizing.Settle();
            _returning.AttachAgain();
        }

        foreach (Volume volume in _context.Volumes)
        {
            if (volume.HasDisk)
                _activityLogs.Advance(volume);
            if (_context.Role == Role.Primary && volume.IsAccessible)
                _writes.SendOwnBarrierIfDue(volume);

            if (volume.IsClosed)
                ForgetDiskIfQuiet(volume);
            if (volume.Remote.Waiting.Count > 0)
                _remote.AnswerWaiting(volume);
            foreach (PeerVolume peer in volume.Peers)
            {
                if (peer.Source is not null)
                    _source.Pump(peer);
                _target.AcknowledgeIfDue(peer);
            }
        }

        foreach (Peer peer in _context.Peers)
        {
            if (peer.Step == HandshakeStep.Done)
                _secondary.AcknowledgeIfDue(peer);
        }

        _resyncRequests.Advance();
        _detaching.Advance();
        _skipInitialSync.Advance();
        if (_roles.IsBusy)
            _roles.Advance();
        if (_shutdown.IsBusy)
            _shutdown.Advance();
        if (_removal.IsBusy)
            _removal.Advance();

        // After the roles: a handshake may have waited for one.
        foreach (Peer peer in _context.Peers)
        {
            if (peer.Step == HandshakeStep.Draining)
                _handshake.Advance(peer);
        }

        if (_context.StateChanged || _earlyAnswers.IsDue)
            _earlyAnswers.Settle();
        _suspension.Settle();
        _outdating.Settle();

        // And once more: a promotion may have waited for that handshake, which was refused.
        if (_roles.IsBusy)
            _roles.Advance();

        _congestion.Advance();

        // After everything that may end it.
        _verification.Advance();

        if (_context.StateChanged || _context.IsPeerStatusDue)
            _tellPeers.Send();
    }

    private void ForgetDiskIfQuiet(Volume volume)
    {
        if (volume.Disk != DiskState.Failed)
        {
            volume.IsClosed = false;
            return;
        }

        if (volume.LateOperations > 0)
            return;
        volume.IsClosed = false;
        _attachment.Forget(volume);
        _context.Log($"{_context.Settings.Name}/{volume.Name}: Diskless");
    }

    private Volume VolumeOf(in CoreEvent e) => _context.Volumes[e.Volume.Value];

    private Peer PeerOf(in CoreEvent e) => _context.Peers[e.Peer.Value];
}
