using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// <c>new-current-uuid --clear-bitmap</c>: an operator vouches that the fresh disks of a connected pair are equal; both become UpToDate under one new generation.
/// </summary>
internal sealed class SkipInitialSync(ResourceContext context, Generations generations)
{
    private readonly List<PeerVolume> _awaiting = [];
    private object? _cookie;

    /// <summary>Whether a volume has never held data: only then may the initial sync be skipped.</summary>
    public static bool IsFresh(Volume volume) =>
        volume.Disk == DiskState.Inconsistent && volume.Superblock is { Current.IsReal: false };

    public void Start(object? cookie)
    {
        string name = context.Settings.Name;
        if (_awaiting.Count > 0)
        {
            context.CompleteCommand(cookie, CommandResult.Refused($"{name}: the same is under way already", "wait for it"));
            return;
        }

        // A volume that came later is made UpToDate beside others that are so already, also on a Primary.
        List<Volume> fresh = [.. context.Volumes.Where(IsFresh)];
        bool areOthersGood = context.Volumes.TrueForAll(volume => IsFresh(volume) || volume.Disk == DiskState.UpToDate);
        foreach (Volume volume in fresh.Count > 0 && areOthersGood ? fresh : [.. context.Volumes])
        {
            foreach (PeerVolume peer in volume.Peers)
            {
                bool ready = IsFresh(volume) && peer.State == ReplicationState.Established && peer.PeerDisk == DiskState.Inconsistent;
                if (ready)
                    continue;
                context.CompleteCommand(cookie, CommandResult.Refused(
                    $"{name}/{volume.Name} is {volume.Disk}, {peer.Peer.Name} is {peer.PeerDisk}, replication {peer.State}: the initial sync can be skipped only between connected, fresh disks",
                    "create the metadata on both nodes, connect them, and say it before the first promotion"));
                return;
            }
        }

        _cookie = cookie;
        foreach (Volume volume in fresh)
        {
            GenerationId generation = context.NewGeneration();
            Superblock superblock = volume.Superblock! with
            {
                Current = generation,
                Flags = Generations.FlagsFor(DiskState.UpToDate, volume.Superblock!.Flags),
            };
            List<BitmapRange> marks = [];
            foreach (PeerVolume peer in volume.Peers)
            {
                peer.Bitmap!.ClearAll();
                superblock = superblock.WithPeer(peer.Slot, superblock.Peers[peer.Slot] with { Flags = PeerSlotFlags.None });
                marks.Add(new BitmapRange(peer.Slot, peer.Bitmap, 0, peer.Bitmap.BlockCount));
                _awaiting.Add(peer);
            }

            generations.Persist(volume, superblock, () =>
            {
                if (volume.Disk == DiskState.Inconsistent)
                    volume.Disk = DiskState.UpToDate;
                context.StateChanged = true;
                foreach (PeerVolume peer in volume.Peers)
                {
                    if (peer.Peer.Link != LinkId.None)
                        context.Send(peer.Peer, new SyncEndMessage(volume.Nr, generation, []));
                }
            }, marks);
        }

        CompleteIfDone();
    }

    /// <summary>The peer has taken the new generation over. False if that was not awaited.</summary>
    public bool PeerDone(PeerVolume peer)
    {
        if (!_awaiting.Remove(peer))
            return false;
        peer.PeerDisk = DiskState.UpToDate;
        context.StateChanged = true;
        CompleteIfDone();
        return true;
    }

    /// <summary>The connection is gone: the next handshake completes what was begun, because a fresh peer is then a target.</summary>
    public void PeerLost(Peer peer)
    {
        if (_awaiting.RemoveAll(volume => volume.Peer == peer) == 0 || _awaiting.Count > 0)
            return;
        object? cookie = _cookie;
        _cookie = null;
        context.CompleteCommand(cookie, CommandResult.Failed(
            "the connection was lost before the peer had taken over the new generation", "look at status; a full sync may follow"));
    }

    /// <summary>Ends what can no longer succeed: a disk failed, here or there. Called after every event.</summary>
    public void Advance()
    {
        if (_awaiting.Count == 0 || _awaiting.RemoveAll(static volume => volume.HasLostDisk) == 0)
            return;
        object? cookie = _cookie;
        _cookie = null;
        context.CompleteCommand(cookie, CommandResult.Failed("a disk failed before both nodes had taken over the new generation", "see the log; a full sync may follow"));
    }

    private void CompleteIfDone()
    {
        if (_awaiting.Count > 0)
            return;
        object? cookie = _cookie;
        _cookie = null;
        context.CompleteCommand(cookie, CommandResult.Ok);
    }
}
