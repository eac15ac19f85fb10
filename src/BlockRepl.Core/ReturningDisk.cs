using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// A mended disk comes back under a Primary that is served by its peer (G11): it is resynced from the peer while the clients go on. The stream of changes goes the other
/// way than the resync, so resync data may be older than what this node has written meanwhile; that is cut out of it (I4).
/// </summary>
/// <remarks>
/// <code>
/// attach ─► Negotiating ─► ResyncRequest ─► WFBitMapT ─► Inconsistent, SyncTarget: changes go to both ─► stable ─► UpToDate: reads are local again
///               │ refused, or the connection lost: given up, Diskless
/// </code>
/// </remarks>
internal sealed class ReturningDisk(ResourceContext context, LocalDisk disk)
{
    private readonly List<ByteRange> _pieces = [];

    /// <summary>Set by <see cref="ResourceCore"/>: asks the server for the resync.</summary>
    public Action<PeerVolume, bool> OnAsk { get; set; } = (_, _) => { };

    /// <summary>Why a disk may not be attached under this Primary; null if it may.</summary>
    public static string? WhyNot(Volume volume, AttachedDisk found)
    {
        RemoteState state = volume.Remote;
        if (state.Server is null || !state.IsConfirmed)
            return "no peer serves the volume: nothing could make this disk current";
        if (state.Server.State != ReplicationState.Established)
            return $"replication with {state.Server.Peer.Name} is {state.Server.State}";
        if (found.DataBytes < volume.SizeBytes)
            return $"it holds {found.DataBytes} bytes, {volume.SizeBytes} are served";
        GenerationId current = found.Superblock.Current;
        return current.IsReal && !state.LostGenerations.Contains(current)
            ? $"it holds other data (generation {current}) than the disk that was lost; create-md --force makes it a fresh disk"
            : null;
    }

    /// <summary>The disk is attached: the server is asked for what it lacks, or for everything if it is another disk.</summary>
    public void Attached(Volume volume)
    {
        if (volume.Remote.Server is not { } server)
        {
            GiveUp(volume, "the peer that serves is gone");
            return;
        }

        bool isFull = !volume.Superblock!.Current.IsReal
            || (volume.Superblock.Peers[server.Slot].Flags & Format.PeerSlotFlags.FullSync) != 0;
        OnAsk(server, isFull);
    }

    /// <summary>Called after an event that changed the state: a disk whose return was cut is attached again when it is closed and its server serves.</summary>
    public void AttachAgain()
    {
        foreach (Volume volume in context.Volumes)
        {
            bool isDue = volume.AttachesAgain && volume.Disk == DiskState.Diskless && volume.Remote is { IsConfirmed: true, Server.State: ReplicationState.Established };
            if (!isDue)
                continue;
            volume.AttachesAgain = false;
            context.Effects.Add(EffectKind.AttachDisk).Volume = volume.Nr;
        }
    }

    /// <summary>The disk cannot become current now. The peer goes on serving, if it is there.</summary>
    public void GiveUp(Volume volume, string why)
    {
        if (volume.IsReturning)
            disk.GiveUp(volume, $"the disk is not taken back: {why}", isLoss: false);
    }

    /// <summary>
    /// What of a piece of resync data may be written: all but what a change of this Primary covers that the source had not applied when it read (I4). Such a change is still
    /// in the list of what the peer has not confirmed as stable, because its confirmation comes behind data read before it. A change from before the resync began is at the
    /// source alone: nothing is cut out for it. One that is held back behind another has no place in the stream yet: it will be on both disks, and the data is older, whatever its position. Once the data is under
    /// way or held itself, what comes later waits for it. Valid until the next call.
    /// </summary>
    public List<ByteRange> Current(PeerVolume peerVolume, ByteRange range, SequenceNumber position)
    {
        _pieces.Clear();
        _pieces.Add(range);
        SequenceNumber from = peerVolume.Volume.MirrorsFrom;
        peerVolume.Unstable.CutNewer(position < from ? from : position, _pieces);
        foreach (ChangeRequest held in peerVolume.Volume.Active.Held)
        {
            if (held.Origin == ChangeOrigin.Client)
                UnstableLog.Cut(held.Range, _pieces);
        }

        return _pieces;
    }
}
