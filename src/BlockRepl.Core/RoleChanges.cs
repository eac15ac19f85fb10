using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Promotion and demotion, one at a time, each in steps that are taken up after every event until the last is done.</summary>
/// <remarks>
/// <code>
/// promote: refuse? ─► ask the connected peer ─► everything received is on disk ─► flush ─► PrimaryIndicator durable ─► Primary
/// demote:  hold new changes ─► those under way done ─► stable on both nodes ─► log empty, indicator gone, durable ─► Secondary
/// </code>
/// </remarks>
internal sealed class RoleChanges(ResourceContext context, WritePath writes, LocalDisk disk, Connections connections)
{
    // How long a peer that was Primary when it last spoke may take to say that it is so no more.
    private const long AnswerMs = 1_000;

    private Step _step;
    private long _askedMs;
    private object? _cookie;
    private bool _force;
    private ulong _askId;
    private int _pending;
    private bool _failed;

    private enum Step
    {
        Idle,
        AwaitHandshake,
        AwaitPeer,
        Settle,
        Flush,
        Persist,
        DemoteDrain,
        DemoteFlush,
        DemotePersist,
    }

    public bool IsBusy => _step != Step.Idle;

    /// <summary>The change can no longer be refused: a handshake that begins waits for its outcome (hard part 20).</summary>
    public bool IsBeyondRefusal => _step is not (Step.Idle or Step.AwaitHandshake or Step.AwaitPeer or Step.DemoteDrain);

    /// <summary>This node is about to be Primary: it must not let the peer be, too (hard part 20).</summary>
    private bool IsPromoting => _step is Step.AwaitHandshake or Step.AwaitPeer or Step.Settle or Step.Flush or Step.Persist;

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
        Advance();
    }

    /// <summary>The peer wants a role: granted unless it would make two Primaries.</summary>
    public void PeerAsks(Peer peer, RoleRequestMessage request)
    {
        string refusal = "";
        if (request.Role == Role.Primary)
        {
            if (context.Role == Role.Primary || _step is Step.DemoteDrain or Step.DemoteFlush or Step.DemotePersist)
                refusal = $"{context.Settings.NodeName} is Primary";
            else if (_step is Step.Settle or Step.Flush or Step.Persist)
                refusal = $"{context.Settings.NodeName} is being promoted, which {peer.Name} granted or was not there to refuse";
            else if (IsPromoting && string.CompareOrdinal(context.Settings.NodeName, peer.Name) < 0)
                refusal = $"{context.Settings.NodeName} is being promoted";
        }

        if (refusal.Length == 0)
        {
            peer.Role = request.Role;
            context.StateChanged = true;
        }

        context.Send(peer, new RoleReplyMessage(request.Id, refusal.Length == 0, refusal));
    }

    public void PeerAnswers(Peer peer, RoleReplyMessage reply)
    {
        if (_step != Step.AwaitPeer || reply.Id != _askId)
            return;
        if (!reply.Granted)
            Finish(CommandResult.Refused($"{peer.Name} refuses: {reply.Reason}", $"demote {peer.Name} first: blockrepl secondary {context.Settings.Name}"));
        else if (--_pending == 0)
            Enter(Step.Settle);
    }

    /// <summary>A connection ended: its answer will not come, and is not needed any more; the promotion is judged anew.</summary>
    public void PeerLost()
    {
        // Asked anew it might be decided alone, while the peer decides the same: whoever wants that may ask again, knowing that the peer is gone (hard part 20).
        if (_step == Step.AwaitPeer)
        {
            Finish(CommandResult.Refused(
                $"{context.Settings.Name}: the connection was lost before the peer had answered", "look at status, and try again"));
        }
    }

    /// <summary>Takes the next step if it is due. Called after every event.</summary>
    public void Advance()
    {
        switch (_step)
        {
            case Step.AwaitHandshake:
                AskPeers();
                break;
            case Step.AwaitPeer when context.NowMs - _askedMs >= AnswerMs && Array.Find(context.Peers, static peer => peer.IsConnected && peer.Role == Role.Primary) is { } primary:
                // It was Primary when it last spoke, and does not answer: its loss is not noticed yet, or it is slow.
                Finish(CommandResult.Refused(
                    $"{context.Settings.Name}: {primary.Name} is Primary and does not answer", "try again when its loss has been noticed"));
                break;
            case Step.Settle when IsSettled():
                Enter(Step.Flush);
                FlushAll();
                break;
            case Step.Flush when _pending == 0:
                if (_failed)
                    Finish(CommandResult.Failed("the local disk could not be flushed", "see the log"));
                else
                    PersistPrimary();
                break;
            case Step.Persist when _pending == 0:
                if (_failed)
                    Finish(CommandResult.Failed("the metadata could not be written", "see the log"));
                else
                    BecomePrimary();
                break;
            case Step.DemoteDrain when IsQuiet():
                Enter(Step.DemoteFlush);
                FlushAll();
                foreach (Volume volume in context.Volumes)
                    writes.SendOwnBarrier(volume);
                break;
            case Step.DemoteFlush when _pending == 0 && IsStableOnPeers():
                PersistSecondary();
                break;
            case Step.DemotePersist when _pending == 0:
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
        context.CompleteCommand(cookie, CommandResult.Refused("another role change is under way", "try again when it is over"));
        return true;
    }

    private void Enter(Step step)
    {
        _step = step;
        if (step is Step.AwaitHandshake or Step.Settle)
            Advance();
    }

    private void AskPeers()
    {
        foreach (Peer peer in context.Peers)
        {
            if (peer.Link != LinkId.None && peer.Step is not (HandshakeStep.Done or HandshakeStep.Hello))
                return;
        }

        if (PromotionRules.Refuse(context, _force) is { } refusal)
        {
            Finish(refusal);
            return;
        }

        _pending = 0;
        (_step, _askedMs, _askId) = (Step.AwaitPeer, context.NowMs, context.NextTicket());
        foreach (Peer peer in context.Peers)
        {
            if (!peer.IsConnected)
                continue;
            _pending++;
            context.Send(peer, new RoleRequestMessage(_askId, Role.Primary));
        }

        if (_pending == 0)
            Enter(Step.Settle);
    }

    // Everything that came over a connection that is gone must be on the disk, in order, before anything newer (hard part 11).
    private bool IsSettled()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.Active.HasWrites || volume.MetadataWrites > 0)
                return false;
        }

        return true;
    }

    // Every change that a client asked for is answered; a resync may go on meanwhile. Both nodes of a handshake must decide with the same roles.
    private bool IsQuiet()
    {
        foreach (Peer peer in context.Peers)
        {
            if (peer.Step is HandshakeStep.State or HandshakeStep.Verdict)
                return false;
        }

        foreach (Volume volume in context.Volumes)
        {
            if (volume.IsAccessible && (volume.HasClientChanges || volume.MetadataWrites > 0 || volume.OwnBarrierInFlight))
                return false;
        }

        return true;
    }

    private bool IsStableOnPeers()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.OwnBarrierInFlight || volume.MetadataWrites > 0)
                return false;
        }

        return true;
    }

    private void FlushAll()
    {
        _pending = context.Volumes.Length;
        _failed = false;
        foreach (Volume volume in context.Volumes)
        {
            disk.Flush(volume, FlushWaiter.ForAction(result =>
            {
                _failed |= !result.IsOk;
                _pending--;
            }));
        }
    }

    private void PersistPrimary()
    {
        _step = Step.Persist;
        _failed = false;
        _pending = context.Volumes.Length;
        foreach (Volume volume in context.Volumes)
        {
            Superblock superblock = volume.Superblock!;
            superblock = Generations.ForPromotion(superblock, volume, context);
            SuperblockFlags flags = superblock.Flags & ~SuperblockFlags.CleanShutdown | SuperblockFlags.PrimaryIndicator;
            if (volume.Disk != DiskState.UpToDate)
            {
                // Forced: this data counts from now on, under a generation of its own, so that whoever has newer data will see a split brain (G7).
                if (superblock.Current.IsReal)
                {
                    foreach (PeerVolume peer in volume.Peers)
                    {
                        // Whichever place is free: the peer must still recognise where this data comes from, or it would call it unrelated.
                        PeerSlot slot = superblock.Peers[peer.Slot];
                        superblock = slot.BitmapGeneration.IsNone
                            ? superblock.WithPeer(peer.Slot, connections.Generations.GoesOnAlone(peer, slot, superblock.Current, superblock.Flags))
                            : superblock.WithHistory(superblock.Current);
                    }
                }

                superblock = superblock with { Current = context.NewGeneration() };
                flags = Generations.FlagsFor(DiskState.UpToDate, flags) & ~(SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower);
            }

            volume.Superblock = superblock with { Flags = flags, BootId = context.BootId };
            context.WriteMetadata(volume, new MetadataWrite
            {
                Volume = volume.Nr,
                Superblock = volume.Superblock,
                OnDurable = () => _pending--,
                OnFailed = PersistFailed,
            });
        }
    }

    private void BecomePrimary()
    {
        if (context.Volumes.Exists(static volume => !volume.HasDisk))
        {
            Finish(CommandResult.Failed("a local disk failed during the promotion", "see the log"));
            return;
        }

        bool forced = false;
        foreach (Volume volume in context.Volumes)
        {
            forced |= volume.Disk != DiskState.UpToDate;
            volume.Disk = DiskState.UpToDate;
            volume.LocalStable = context.LastSequence;
        }

        context.Role = Role.Primary;
        context.StateChanged = true;
        context.Log($"{context.Settings.Name}: Primary");
        foreach (Peer peer in context.Peers)
        {
            peer.DiscardMyData = false; // What is written from now on was not meant.
            if (forced)
                connections.Renegotiate(peer, "promoted by force");
        }

        Finish(CommandResult.Ok);
    }

    private void PersistSecondary()
    {
        _step = Step.DemotePersist;
        _pending = 0;
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                continue;
            _pending++;
            volume.ActivityLog!.Clear();
            volume.Superblock = volume.Superblock! with { Flags = volume.Superblock.Flags & ~SuperblockFlags.PrimaryIndicator };
            var write = new MetadataWrite
            {
                Volume = volume.Nr,
                Superblock = volume.Superblock,
                ActivityLog = volume.ActivityLog.Snapshot(),
                ActivityLogTransaction = ++volume.ActivityLog.Transaction,
                OnDurable = () => _pending--,
                OnFailed = PersistFailed,
            };
            foreach (PeerVolume peer in volume.Peers)
            {
                if (peer.Bitmap!.SetCount > 0)
                    write.Bitmaps.Add(new BitmapRange(peer.Slot, peer.Bitmap, 0, peer.Bitmap.BlockCount));
            }

            context.WriteMetadata(volume, write);
        }
    }

    private void PersistFailed() => (_failed, _pending) = (true, _pending - 1);

    private void BecomeSecondary()
    {
        context.Role = Role.Secondary;
        connections.Generations.Demoted();
        context.StateChanged = true;
        context.Log($"{context.Settings.Name}: Secondary");
        RemoteService.EndAll(context);
        writes.Thaw(FreezeReason.NoData);
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
            context.StateChanged = true;
        }

        object? cookie = _cookie;
        _cookie = null;
        context.CompleteCommand(cookie, result);
    }
}
