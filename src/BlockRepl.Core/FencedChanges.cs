namespace BlockRepl.Core;

/// <summary>
/// Changes that were under way when a peer was lost under <see cref="FreezeReason.Fencing"/>: done here, not confirmed there. None is answered, and no generation is drawn for them, before the peer
/// is known not to go on (G13, hard part 3). Their blocks are marked and their extents stay in the activity log meanwhile.
/// </summary>
internal sealed class FencedChanges(ResourceContext context, FreezeRecord freeze, Generations generations)
{
    private readonly List<ChangeRequest> _released = [];

    /// <summary>What the peer does not confirm is held here, or fails, instead of going on behind a new generation.</summary>
    public bool IsHolding => freeze.Has(FreezeReason.Fencing) || IsGivenUp;

    /// <summary>This node gives the role up before its peer was fenced: what is still on its way to the disk, or waits for its turn, and does not reach the peer is answered with EIO. Until the demotion is over.</summary>
    public bool IsGivenUp { get; set; }

    /// <summary>Set by <see cref="ResourceCore"/>: a change waits for one thing less.</summary>
    public Action<ChangeRequest> OnReleased { get; set; } = _ => { };

    /// <summary>Lets a change wait; its wait for the peer is over.</summary>
    public void Hold(Volume volume, ChangeRequest request)
    {
        if (IsGivenUp)
        {
            request.Result = Primitives.DiskResult.Io;
            return;
        }

        if ((request.Waits & ChangeWaits.Fence) != 0)
            return;
        request.Waits |= ChangeWaits.Fence;
        volume.AwaitingFence.Add(request);
    }

    /// <summary>This node needs a generation of its own because the peer lacks something: now, or when it is known that the peer does not go on.</summary>
    public void EnsureOwnGeneration(PeerVolume peerVolume)
    {
        if (IsHolding)
            peerVolume.OwesGeneration = true;
        else
            generations.EnsureOwnGeneration(peerVolume.Volume);
    }

    /// <summary>No peer goes on by itself: what is held is answered once a generation of this node's own is durable, where one is needed.</summary>
    public void Release()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (Array.Exists(volume.Peers, static peer => peer.OwesGeneration))
            {
                foreach (PeerVolume peer in volume.Peers)
                    peer.OwesGeneration = false;
                generations.EnsureOwnGeneration(volume);
            }

            Take(volume);
            foreach (ChangeRequest request in _released)
            {
                Generations.AwaitGeneration(volume, request);
                OnReleased(request);
            }
        }
    }

    /// <summary>This node gives the role up: what is held is answered with EIO, and if the peer was to be fenced first, what comes after it as well (G13).</summary>
    public void GiveUp()
    {
        IsGivenUp |= freeze.Has(FreezeReason.Fencing);
        foreach (Volume volume in context.Volumes)
            Fail(volume);
    }

    /// <summary>Answers what a volume holds with EIO: its disk is gone, or this node gives the role up. Nothing is claimed about what the disk holds.</summary>
    public void Fail(Volume volume)
    {
        foreach (PeerVolume peer in volume.Peers)
            peer.OwesGeneration = false;
        Take(volume);
        foreach (ChangeRequest request in _released)
        {
            request.Result = Primitives.DiskResult.Io;
            OnReleased(request);
        }
    }

    private void Take(Volume volume)
    {
        _released.Clear();
        _released.AddRange(volume.AwaitingFence);
        volume.AwaitingFence.Clear();
        foreach (ChangeRequest request in _released)
            request.Waits &= ~ChangeWaits.Fence;
    }
}
