using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Promotion and demotion, one at a time, each in steps that are taken up after every event until the last is done.</summary>
/// <remarks>
/// <code>
/// promote: refuse? ─► fence a peer that is not there ─► ask the connected peer ─► everything received is on disk ─► the peer serves what has no disk here ─► flush
///                                                                                                    ─► PrimaryIndicator durable ─► Primary
///                                                                     given up after that: indicator gone, durable ─► refused
/// demote:  hold new changes ─► those under way done ─► stable on both nodes ─► log empty, indicator gone, durable ─► Secondary
/// </code>
/// With a fencing policy a promotion that loses the peer on the way is refused: the data is in doubt from then on (G6).
/// </remarks>
internal sealed class RoleChanges(ResourceContext context, WritePath writes, LocalDisk disk, Connections connections, Fencing fencing, RemoteService remote)
{
    // How long a peer that was Primary when it last spoke may take to say that it is so no more.
    private const long AnswerMs = 1_000;

    private readonly PromotionWithoutDisk _served = new(context, remote);
    private readonly RoleMetadata _metadata = new(context, connections.Generations);
    private Step _step;
    private long _askedMs;
    private object? _cookie;
    private bool _force;
    private ulong _askId;
    private int _pending;
    private bool _failed;
    private bool _isPeerLost;
    private CommandResult? _refusal;

    private enum Step
    {
        Idle,
        AwaitHandshake,
        AwaitFence,
        AwaitPeer,
        Settle,
        Serve,
        Flush,
        Persist,
        TakeBack,
        DemoteDrain,
        DemoteFlush,
        DemotePersist,
    }

    public bool IsBusy => _step != Step.Idle;

    public bool IsAwaitingFence => _step == Step.AwaitFence;

    /// <summary>The change can no longer be refused: a handshake that begins waits for its outcome (hard part 20).</summary>
    public bool IsBeyondRefusal => _step is not (Step.Idle or Step.AwaitHandshake or Step.AwaitFence or Step.AwaitPeer or Step.DemoteDrain);

    /// <summary>A promotion has judged this node's data and does not look at it again: what it is worth must not change before the outcome is known (G6).</summary>
    public bool HasJudgedData => _step is Step.AwaitPeer or Step.Settle or Step.Serve or Step.Flush or Step.Persist or Step.TakeBack;

    /// <summary>This node is about to be Primary: it must not let the peer be, too (hard part 20).</summary>
    private bool IsPromoting => IsGranted || _step is Step.AwaitHandshake or Step.AwaitFence or Step.AwaitPeer;

    // The peer has granted it, or was not there to refuse.
    private bool IsGranted => _step is Step.Settle or Step.Serve or Step.Flush or Step.Persist;

    public void Promote(object? cookie, bool force)
    {
        if (Busy(cookie))
            return;
        if (context.Role == Role.Primary)
        {
            context.CompleteCommand(cookie, CommandResult.Ok);
            return;
        }

        _cookie = cookie;
        _force = force;
        _isPeerLost = false;
        _failed = false;
        _refusal = null;
        _step = Step.AwaitHandshake;
        Advance();
    }

    public void Demote(object? cookie)
    {
        // Before the role: "it is Secondary already" is no answer while a promotion is under way.
        if (Busy(cookie))
            return;
        if (context.Role != Role.Primary)
        {
            context.CompleteCommand(cookie, CommandResult.Ok);
            return;
        }

        _cookie = cookie;
        _step = Step.DemoteDrain;
        writes.Freeze(FreezeReason.RoleChange);

        // The clients are gone or cut off: what is held for a fence or by suspend-io is held for nobody, and would keep this node Primary for ever.
        fencing.Demoted();
        writes.FailHeld(FreezeReason.Fencing | FreezeReason.User);
        Advance();
    }

    /// <summary>The peer wants a role: granted unless it would make two Primaries, or one whose data is known here to be older (G6).</summary>
    public void PeerAsks(Peer peer, RoleRequestMessage request)
    {
        string refusal = "";
        bool isOlder = false;
        if (request.Role == Role.Primary && !Canary.SecondPrimaryGranted)
        {
            if (context.Role == Role.Primary || _step is Step.DemoteDrain or Step.DemoteFlush or Step.DemotePersist)
                refusal = $"{context.Settings.NodeName} is Primary";
            else if (IsGranted)
                refusal = $"{context.Settings.NodeName} is being promoted, which {peer.Name} granted or was not there to refuse";
            else if (IsPromoting && string.CompareOrdinal(context.Settings.NodeName, peer.Name) < 0)
                refusal = $"{context.Settings.NodeName} is being promoted";
            else if (PromotionWithoutDisk.WhyOlder(context, peer, request.Forced) is { } older)
                (refusal, isOlder) = (older, true);
        }

        if (refusal.Length == 0)
        {
            peer.Role = request.Role;
            context.StateChanged = true;
        }

        context.Send(peer, new RoleReplyMessage(request.Id, refusal.Length == 0, refusal, isOlder));
    }

    public void PeerAnswers(Peer peer, RoleReplyMessage reply)
    {
        if (_step != Step.AwaitPeer || reply.Id != _askId)
            return;
        if (!reply.Granted)
            Finish(PromotionRules.RefusedBy(context.Settings.Name, peer, reply));
        else if (--_pending == 0)
            Enter(Step.Settle);
    }

    /// <summary>A connection ended: its answer will not come, and is not needed any more; the promotion is judged anew.</summary>
    public void PeerLost()
    {
        // Asked anew it might be decided alone, while the peer decides the same: whoever wants that may ask again, knowing that the peer is gone (hard part 20).
        if (_step == Step.AwaitPeer)
            Finish(Lost());
        else if (IsGranted)
            _isPeerLost = true;
    }

    /// <summary>Takes the next step if it is due. Called after every event.</summary>
    public void Advance()
    {
        switch (_step)
        {
            case Step.AwaitHandshake:
                AskPeers();
                break;
            case Step.AwaitFence when Array.Exists(context.Peers, static peer => peer.Link != LinkId.None):
                // It is there after all: it is asked itself, once it is known what it has.
                Enter(Step.AwaitHandshake);
                break;
            case Step.AwaitPeer when context.NowMs - _askedMs >= AnswerMs && Array.Find(context.Peers, static peer => peer.IsConnected && peer.Role == Role.Primary) is { } primary:
                // It was Primary when it last spoke, and does not answer: its loss is not noticed yet, or it is slow.
                Finish(CommandResult.Refused(
                    $"{context.Settings.Name}: {primary.Name} is Primary and does not answer", "try again when its loss has been noticed"));
                break;
            case Step.Settle or Step.Serve or Step.Flush when IsInDoubt():
                Finish(Lost());
                break;
            case Step.Settle or Step.Serve or Step.Flush when PromotionRules.RefuseAnyLonger(context, _force) is { } worse:
                Finish(worse);
                break;
            case Step.Settle when _served.WhyNotJudgedSo() is { } attached:
                Finish(attached);
                break;
            case Step.Serve or Step.Flush when !_failed && _served.WhyNotServed() is { } unserved:
                Finish(unserved);
                break;
            case Step.Settle when RoleConditions.IsSettled(context) || Canary.PromotedUnsettled:
                if (_served.Ask(_force) is { } refusal)
                    Finish(refusal);
                else
                    Enter(Step.Serve);
                break;
            case Step.Serve when _served.IsServed:
                _step = Step.Flush;
                FlushAll();
                Advance();
                break;
            case Step.Flush when _pending == 0:
                if (_failed)
                {
                    Finish(CommandResult.Failed("the local disk could not be flushed", "see the log"));
                }
                else
                {
                    _step = Step.Persist;
                    _metadata.PersistPrimary();
                    Advance();
                }

                break;
            case Step.Persist when _metadata.IsDone:
                BecomePrimary();
                break;
            case Step.TakeBack when _metadata.IsDone:
                Finish(_refusal!);
                break;
            case Step.DemoteDrain when RoleConditions.IsQuiet(context):
                Enter(Step.DemoteFlush);
                FlushAll();
                foreach (Volume volume in context.Volumes)
                    writes.SendOwnBarrier(volume);
                break;
            case Step.DemoteFlush when _pending == 0 && RoleConditions.IsStableOnPeers(context):
                _step = Step.DemotePersist;
                _metadata.PersistSecondary(fencing.AfterDemotion);
                break;
            case Step.DemotePersist when _metadata.IsDone:
                BecomeSecondary();
                break;
            default:
                break;
        }
    }

    private bool Busy(object? cookie)
    {
        if (_step == Step.Idle)
            return false;
        string what = _step == Step.AwaitFence ? "a promotion waits for fence-peer" : "another role change is under way";
        context.CompleteCommand(cookie, CommandResult.Refused($"{context.Settings.Name}: {what}", "try again when it is over"));
        return true;
    }

    private void Enter(Step step)
    {
        _step = step;
        if (step is Step.AwaitHandshake or Step.Settle or Step.Serve)
            Advance();
    }

    private void AskPeers()
    {
        foreach (Peer peer in context.Peers)
        {
            // With a fencing policy also for one that has only just knocked: it is better asked than fenced.
            if (peer.Link != LinkId.None && peer.Step != HandshakeStep.Done && (fencing.IsAsked || peer.Step != HandshakeStep.Hello))
                return;
        }

        Peer? absent = _force || Canary.ConsistentPromoted ? null : Array.Find(context.Peers, fencing.IsNeededToPromote);
        if (PromotionRules.Refuse(context, _force, mayFence: absent is not null) is { } refusal)
        {
            Finish(refusal);
            return;
        }

        if (absent is not null)
        {
            _step = Step.AwaitFence;
            context.StateChanged = true;
            object? cookie = _cookie;
            fencing.Ask(absent, failure => Fenced(cookie, failure));
            return;
        }

        _served.Begin();
        (_step, _pending, _askedMs, _askId) = (Step.AwaitPeer, 0, context.NowMs, context.NextTicket());
        foreach (Peer peer in context.Peers)
        {
            if (!peer.IsConnected)
                continue;
            _pending++;
            context.Send(peer, new RoleRequestMessage(_askId, Role.Primary, _force && peer.Version >= ProtocolVersion.V2));
        }

        if (_pending == 0)
            Enter(Step.Settle);
    }

    // The answer may come while a handshake is awaited that came between; then the next step finds the evidence, or asks again.
    private void Fenced(object? cookie, CommandResult? failure)
    {
        if (_step != Step.AwaitFence || _cookie != cookie)
            return;
        if (failure is not null)
            Finish(failure);
        else
            Enter(Step.AwaitHandshake);
    }

    // Without the peer this data is not known to be the newest any more, and nobody was asked what the peer does.
    private bool IsInDoubt() => _isPeerLost && !_force && fencing.IsAsked && context.Volumes.Exists(static volume => volume.Disk != DiskState.UpToDate);

    private CommandResult Lost() => CommandResult.Refused($"{context.Settings.Name}: the connection was lost before the promotion was over", "look at status, and try again");

    private void FlushAll()
    {
        (_pending, _failed) = (0, false);
        foreach (Volume volume in context.Volumes)
        {
            // What a peer serves is flushed there before it answers. On demotion its barrier is what counts.
            if (!volume.HasDisk)
                continue;
            _pending++;
            disk.Flush(volume, FlushWaiter.ForAction(result =>
            {
                _failed |= !result.IsOk;
                _pending--;
            }));
        }
    }

    private void BecomePrimary()
    {
        if (_metadata.HasFailed)
            TakeBack(CommandResult.Failed("a local disk failed during the promotion", "see the log"));
        else if (_served.WhyNotServed() is { } unserved)
            TakeBack(unserved);
        else if (IsInDoubt())
            TakeBack(Lost());
        else if (PromotionRules.RefuseAnyLonger(context, _force) is { } worse)
            TakeBack(worse);
        else
            EnterPrimary();
    }

    private void EnterPrimary()
    {
        bool forced = false;
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                continue;
            forced |= volume.Disk != DiskState.UpToDate;
            volume.Disk = DiskState.UpToDate;
            volume.LocalStable = context.LastSequence;
        }

        context.Role = Role.Primary;
        _served.Done();
        connections.Generations.Promoted();
        context.StateChanged = true;
        context.Log($"{context.Settings.Name}: Primary");
        foreach (Peer peer in context.Peers)
        {
            if (forced)
                connections.Renegotiate(peer, "promoted by force");
        }

        Finish(CommandResult.Ok);
    }

    private void TakeBack(CommandResult refusal)
    {
        _refusal = refusal;
        _step = Step.TakeBack;
        _metadata.TakePrimaryBack();
        Advance();
    }

    private void BecomeSecondary()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.HasDisk)
                volume.Disk = fencing.AfterDemotion(volume);
        }

        context.Role = Role.Secondary;
        connections.Generations.Demoted();
        context.StateChanged = true;
        context.Log($"{context.Settings.Name}: Secondary");
        RemoteService.EndAll(context);
        writes.Thaw(FreezeReason.NoData);
        writes.Fenced.IsGivenUp = false;
        writes.Thaw(FreezeReason.RoleChange);
        Finish(CommandResult.Ok);
    }

    private void Finish(CommandResult result)
    {
        _step = Step.Idle;
        if (result.ExitCode != 0)
        {
            // A peer that had granted the role must hear that it was not taken.
            foreach (Peer peer in context.Peers)
                peer.StatusSent = null;
            if (context.Role != Role.Primary)
                _served.Withdraw();
            context.StateChanged = true;
        }

        object? cookie = _cookie;
        _cookie = null;
        context.CompleteCommand(cookie, result);
    }
}
