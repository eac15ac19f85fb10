using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// <c>suspend-io</c> and <c>resume-io</c>. Suspending is over only when no client's change or flush is under way and everything answered is on stable storage of this node and of every peer that
/// mirrors it, so that snapshots of the backing disks of both nodes are alike (I19). Reads go on.
/// </summary>
/// <remarks>
/// <code>
/// suspend: hold new changes ─► those under way answered ─► flushed here and there ─► done, held until resume-io or secondary
/// </code>
/// A peer that is lost meanwhile does not end it: this node is quiet all the same, and what it holds goes on by the fencing policy after the resume.
/// </remarks>
internal sealed class IoSuspension(ResourceContext context, WritePath writes, LocalDisk disk, Fencing fencing)
{
    private readonly List<object?> _waiting = [];
    private Step _step;
    private int _flushes;
    private bool _failed;

    private enum Step
    {
        Running,
        Drain,
        Flush,
        Suspended,
    }

    /// <summary>What suspending waits for, in words; empty when it is over or not asked for.</summary>
    public string WaitsFor => _step switch
    {
        Step.Drain => "waiting for the changes under way",
        Step.Flush => "waiting for the flush on both nodes",
        _ => "",
    };

    public void Suspend(object? cookie)
    {
        string name = context.Settings.Name;
        if (context.Role != Role.Primary)
        {
            context.CompleteCommand(cookie, CommandResult.Refused(
                $"{name} is Secondary here: it serves no client whose changes could be held", "say it on the Primary; it makes both nodes' disks stable"));
            return;
        }

        if (_step == Step.Suspended)
        {
            context.CompleteCommand(cookie, CommandResult.Ok);
            return;
        }

        _waiting.Add(cookie);
        if (_step == Step.Running)
        {
            _step = Step.Drain;
            writes.Freeze(FreezeReason.User);
        }
    }

    public void Resume(object? cookie)
    {
        Complete(CommandResult.Refused($"{context.Settings.Name}: I/O was resumed before it had been suspended", "suspend it again"));
        _step = Step.Running;
        fencing.Waive();
        writes.Thaw(FreezeReason.User);
        context.CompleteCommand(cookie, CommandResult.Ok);
    }

    /// <summary>Takes the next step if it is due. Called after every event.</summary>
    public void Settle()
    {
        if (_step == Step.Running)
            return;
        if (!writes.Frozen.Has(FreezeReason.User))
        {
            // A demotion has ended it.
            _step = Step.Running;
            Complete(CommandResult.Refused($"{context.Settings.Name} was demoted", "there is no client whose changes could be held"));
            return;
        }

        if (_step == Step.Drain && (IsQuiet() || Canary.SuspendEndsEarly))
            Flush();
        if (_step == Step.Flush && _flushes == 0 && IsStable())
        {
            _step = _failed ? Step.Drain : Step.Suspended;
            Complete(_failed
                ? CommandResult.Failed($"{context.Settings.Name}: the local disk could not be flushed; I/O is held all the same", $"see the log; let it go on: blockrepl resume-io {context.Settings.Name}")
                : CommandResult.Ok);
        }
    }

    private void Flush()
    {
        _step = Step.Flush;
        _failed = false;
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                continue;
            _flushes++;
            disk.Flush(volume, FlushWaiter.ForAction(result =>
            {
                _failed |= !result.IsOk;
                _flushes--;
            }));
            writes.SendOwnBarrier(volume);
        }
    }

    // Nothing that a client asked for is on its way, flushes included.
    private bool IsQuiet()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.HasClientChanges || volume.OwnBarrierInFlight || volume.ClientFlushes > 0)
                return false;
            foreach (PeerVolume peer in volume.Peers)
            {
                if (peer.AwaitingStable.Count > 0)
                    return false;
            }
        }

        return Array.TrueForAll(context.Peers, static peer => peer.AwaitingAck.Count == 0);
    }

    private bool IsStable()
    {
        foreach (Volume volume in context.Volumes)
        {
            bool isUnstable = volume.OwnBarrierInFlight || Array.Exists(
                volume.Peers, static peer => (peer.IsReplicating && peer.Unstable.Count > 0) || peer.Verify?.Repairing is { IsQuiet: false });
            if (isUnstable)
                return false;
        }

        return true;
    }

    private void Complete(CommandResult result)
    {
        object?[] cookies = [.. _waiting];
        _waiting.Clear();
        context.StateChanged = true;
        foreach (object? cookie in cookies)
            context.CompleteCommand(cookie, result);
    }
}
