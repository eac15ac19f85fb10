using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// Orderly ends (hard part 6): what is unstable is made stable on both nodes before the farewell, so that nothing needs a resync; marks go to disk, and a flag says that
/// the activity log was empty. A peer that does not answer is not waited for longer than <see cref="PatienceMs"/>: its part becomes marks.
/// </summary>
internal sealed class Shutdown(
    ResourceContext context, WritePath writes, LocalDisk disk, Connections connections, Attachment attachment, Outdating outdating)
{
    private const long PatienceMs = 3_000;

    private Step _step;
    private object? _cookie;
    private bool _down;
    private int _pending;
    private long _deadlineMs;

    private enum Step
    {
        Idle,
        Flush,
        Outdate,
        LeaveBehind,
        Farewell,
        Persist,
    }

    /// <summary>Set by <see cref="ResourceCore"/>: tells the peers this node's state as it is now.</summary>
    public Action TellPeers { get; set; } = () => { };

    /// <summary>Set by <see cref="ResourceCore"/>: has a peer outdated; false if that is not possible, or not needed.</summary>
    public Func<Peer, bool> LeaveBehind { get; set; } = _ => false;

    public bool IsBusy => _step != Step.Idle;

    public void Disconnect(object? cookie) => Start(cookie, down: false);

    /// <summary>Only on a Secondary: the edge demotes first.</summary>
    public void Down(object? cookie)
    {
        if (context.Role == Role.Primary)
        {
            context.CompleteCommand(cookie, CommandResult.Refused(
                $"{context.Settings.Name} is Primary", $"demote it first: blockrepl secondary {context.Settings.Name}"));
            return;
        }

        Start(cookie, down: true);
    }

    public void Advance()
    {
        switch (_step)
        {
            case Step.Flush when _pending == 0 && (NothingUnstable() || context.NowMs >= _deadlineMs):
                OutdateOrLeave();
                break;
            case Step.Flush when context.Role == Role.Primary:
                // A barrier that was on its way already may have been too early for the newest changes. Not where nothing is unstable: of two volumes one would always have a barrier under way.
                foreach (Volume volume in context.Volumes)
                {
                    if (Array.Exists(volume.Peers, static peer => peer.IsReplicating && peer.Unstable.Count > 0))
                        writes.SendOwnBarrier(volume);
                }

                break;
            case Step.LeaveBehind when context.NowMs >= _deadlineMs || Array.TrueForAll(context.Peers, HasNothingToGoOnWith):
                SayFarewell();
                break;
            case Step.Farewell when NothingWritten():
                PersistClean();
                break;
            case Step.Persist when NothingWritten():
                foreach (Volume volume in context.Volumes)
                {
                    if (volume.Disk == DiskState.Diskless)
                        continue;
                    context.Effects.Add(EffectKind.DetachDisk).Volume = volume.Nr;
                    attachment.Forget(volume);
                }

                Finish();
                break;
            default:
                break;
        }
    }

    private void Start(object? cookie, bool down)
    {
        if (IsBusy)
        {
            context.CompleteCommand(cookie, CommandResult.Refused("another disconnect or down is under way", "try again when it is over"));
            return;
        }

        _cookie = cookie;
        _down = down;
        _deadlineMs = context.NowMs + PatienceMs;
        _step = Step.Flush;
        _pending = 0;

        // Nothing is answered that relies on the peer's absence before it is known not to go on (G13), nor for long: the farewell lets go what is held.
        if (LeavesSecondary)
            writes.Freeze(FreezeReason.Handshake);
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                continue;
            if (context.Role == Role.Primary)
            {
                writes.SendOwnBarrier(volume);
                continue;
            }

            _pending++;
            // What is applied by now is what the flush will cover; more may be applied before it is over.
            SequenceNumber[] covered = Array.ConvertAll(context.Peers, static peer => peer.AppliedHere);
            disk.Flush(volume, FlushWaiter.ForAction(result =>
            {
                _pending--;
                if (result.IsOk)
                    TellStable(volume, covered);
            }));
        }

        Advance();
    }

    private void TellStable(Volume volume, SequenceNumber[] covered)
    {
        foreach (PeerVolume peer in volume.Peers)
        {
            if (!peer.Peer.IsConnected || peer.State == ReplicationState.Off)
                continue;
            ref Effect effect = ref context.Effects.Add(EffectKind.SendStable);
            effect.Peer = peer.Peer.Id;
            effect.Link = peer.Peer.Link;
            effect.Volume = volume.Nr;
            effect.Sequence = covered[peer.Peer.Id.Value];
        }
    }

    private bool NothingUnstable()
    {
        if (context.Role != Role.Primary)
            return true;
        foreach (Volume volume in context.Volumes)
        {
            foreach (PeerVolume peer in volume.Peers)
            {
                if (peer.IsReplicating && (peer.Unstable.Count > 0 || peer.AwaitingStable.Count > 0))
                    return false;
            }
        }

        return true;
    }

    private bool NothingWritten()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.MetadataWrites > 0 || volume.Active.Count > 0 || !volume.Flushes.IsIdle)
                return false;
        }

        return true;
    }

    // With a fencing policy a Secondary that leaves its Primary says that it will not go on by itself, and keeps that: nobody needs to fence it then.
    private void OutdateOrLeave()
    {
        bool leavesPrimary = context.Settings.Fencing != FencingPolicy.DontCare && context.Role == Role.Secondary
            && Array.Exists(context.Peers, static peer => peer.IsConnected && peer.Role == Role.Primary);
        if (LeavesSecondary)
        {
            bool any = false;
            foreach (Peer peer in context.Peers)
                any |= LeaveBehind(peer);
            if (any)
            {
                _step = Step.LeaveBehind;
                _deadlineMs = context.NowMs + PatienceMs;
                return;
            }
        }

        // What it serves in the place of the Primary's lost disk nobody else has: the Primary cannot go on with that, and a later promotion here loses nothing of it.
        List<Volume> good = [.. context.Volumes.Where(static volume => volume.Disk > DiskState.Outdated && !Array.Exists(volume.Peers, Generations.HasGoneOnWithout))];
        if (!leavesPrimary || good.Count == 0)
        {
            SayFarewell();
            return;
        }

        _step = Step.Outdate;
        outdating.Mark(good, isFailure =>
        {
            if (!isFailure)
                TellPeers();
            SayFarewell();
        });
    }

    // With a fencing policy a Primary that leaves on its operator's word has its peer outdated first (DRBD: conn_try_disconnect), and needs no fence then.
    private bool LeavesSecondary => context.Settings.Fencing != FencingPolicy.DontCare && context.Role == Role.Primary;

    private bool HasNothingToGoOnWith(Peer peer) =>
        !peer.IsConnected || context.Volumes.TrueForAll(volume => FenceEvidence.SaysItCannotGoOn(volume.Peers[peer.Id.Value]) || !volume.Peers[peer.Id.Value].IsMatched);

    private void SayFarewell()
    {
        foreach (Peer peer in context.Peers)
        {
            connections.Disconnect(
                peer,
                _down ? GoodbyeReason.Shutdown : GoodbyeReason.Disconnect,
                _down ? "taken down by an operator" : "disconnected by an operator");
        }

        if (!_down)
        {
            Finish();
            return;
        }

        _step = Step.Farewell;
        Advance();
    }

    private void PersistClean()
    {
        _step = Step.Persist;
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                continue;
            volume.Superblock = volume.Superblock! with { Flags = volume.Superblock.Flags | SuperblockFlags.CleanShutdown };
            var write = new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock };
            foreach (PeerVolume peer in volume.Peers)
                write.Bitmaps.Add(new BitmapRange(peer.Slot, peer.Bitmap!, 0, peer.Bitmap!.BlockCount));
            if (volume.ActivityLog is { Count: > 0 } log)
            {
                // It served a Primary without a disk: every mark is durable with this write.
                log.Clear();
                write.ActivityLog = log.Snapshot();
                write.ActivityLogTransaction = ++log.Transaction;
            }

            context.WriteMetadata(volume, write);
        }

        Advance();
    }

    private void Finish()
    {
        _step = Step.Idle;
        object? cookie = _cookie;
        _cookie = null;
        context.StateChanged = true;
        writes.Thaw(FreezeReason.Handshake);
        context.CompleteCommand(cookie, CommandResult.Ok);
    }
}
