using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// A node becomes Primary although volumes of it have no disk here: a connected peer that is UpToDate serves them (G11). It takes a generation of its own first, as where a Primary loses its disk, so that a
/// disk of this node never passes for its equal (docs/decisions/0051). One step of <see cref="RoleChanges"/>.
/// </summary>
internal sealed class PromotionWithoutDisk(ResourceContext context, RemoteService remote)
{
    private readonly List<Volume> _asked = [];

    /// <summary>Every volume has a disk here or is served.</summary>
    public bool IsServed => context.Volumes.TrueForAll(static volume => volume.HasDisk || (volume.IsServed && volume.Remote.IsConfirmed));

    /// <summary>
    /// The peer that could serve a volume that has no disk here, should this node become Primary: connected, UpToDate, and able to; without force only if its data are not older than the disk that is gone (G6).
    /// Null if none is.
    /// </summary>
    public static PeerVolume? FindServer(Volume volume, bool force) => Array.Find(
        volume.Peers,
        peer => peer.Peer.IsConnected && peer.Peer.Version >= ProtocolVersion.V2 && peer.IsMatched
            && peer.State == ReplicationState.Established && peer.PeerDisk == DiskState.UpToDate && (force || !IsBehind(volume, peer)));

    // It calls itself UpToDate because it does not know better: the disk that is gone had gone on without it.
    private static bool IsBehind(Volume volume, PeerVolume peer)
    {
        GenerationId lost = volume.AheadGeneration;
        return lost.IsReal && peer.Peer.StateOf(volume) is { } theirs
            && theirs.CurrentGeneration != lost && theirs.BitmapGeneration != lost && !theirs.History.Contains(lost);
    }

    /// <summary>
    /// Why a volume without a disk hinders the promotion, where no peer could serve it. Force helps only where the peer's data are older than the disk that is gone: there is no data here that could be made to count.
    /// </summary>
    public static CommandResult Refuse(string name, Volume volume)
    {
        string what = $"{name}/{volume.Name} has no local disk here ({volume.Disk})";
        PeerVolume? connected = Array.Find(volume.Peers, static peer => peer.Peer.IsConnected);
        if (connected is null)
            return CommandResult.NoDisk($"{what}, and no peer is connected that could serve it", $"bring it up first: blockrepl up {name}");
        if (IsBehind(volume, connected))
        {
            return CommandResult.NoUpToDateData(
                $"{what}, and it had gone on without {connected.Peer.Name}, whose data are older", $"attach the disk that is newer; --force gives up what {connected.Peer.Name} lacks");
        }

        string why = connected.Peer.Version < ProtocolVersion.V2 ? $"{connected.Peer.Name} speaks protocol version {(uint)connected.Peer.Version}, which cannot serve it"
            : connected.IsMatched ? $"{connected.Peer.Name} has it {connected.PeerDisk}"
            : $"{connected.Peer.Name} does not have it";
        return CommandResult.NoUpToDateData($"{what}, and {why}", $"bring it up first: blockrepl up {name}; or wait until the peer is UpToDate");
    }

    /// <summary>
    /// Why the peer must not be promoted without force: its data of a volume are older than those of a disk that is gone here, which it cannot know (G6). With force it may: a person has decided. Null if it may.
    /// A peer of version 1 cannot say that it is forced, and may.
    /// </summary>
    public static string? WhyOlder(ResourceContext context, Peer peer, bool forced)
    {
        if (forced)
            return null;
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume there = volume.Peers[peer.Id.Value];
            bool isOlder = !volume.HasDisk && peer.Version >= ProtocolVersion.V2 && peer.StateOf(volume) is { CurrentGeneration.IsReal: true } theirs && there.AheadOf.Contains(theirs.CurrentGeneration);
            if (isOlder)
                return $"the disk of {context.Settings.Name}/{volume.Name} on {context.Settings.NodeName}, which is not there, had gone on without {peer.Name}, whose data are older";
        }

        return null;
    }

    /// <summary>The peer is Primary: whatever it lacked has been given up by a person, and counts no more. Not before: a promotion that was granted may come to nothing.</summary>
    public static void PeerIsPrimary(ResourceContext context, Peer peer)
    {
        foreach (Volume volume in context.Volumes)
            volume.Peers[peer.Id.Value].AheadOf = [];
    }

    /// <summary>The promotion is judged by the disks that are there now: a volume without one must be served, and get none until the promotion is over.</summary>
    public void Begin()
    {
        _asked.Clear();
        foreach (Volume volume in context.Volumes)
        {
            if (!volume.HasDisk)
                _asked.Add(volume);
        }
    }

    /// <summary>Asks for everything that has no disk here. Returns why that cannot be; null if it can, and <see cref="IsServed"/> follows.</summary>
    public CommandResult? Ask(bool force)
    {
        foreach (Volume volume in _asked)
        {
            if (FindServer(volume, force) is not { } server)
                return NotServed(volume);
            RemoteState state = volume.Remote;
            state.LostAt = context.LastSequence;
            state.LostGenerations.Clear();
            if (server.BaseGeneration.IsReal)
                state.LostGenerations.Add(server.BaseGeneration);
            state.Base = GenerationId.None;
            state.Generation = context.NewGeneration();
            context.Log($"{context.Settings.Name}/{volume.Name}: {server.Peer.Name} is asked to serve it, generation {state.Generation}");
            remote.Ask(volume, server);
        }

        return null;
    }

    /// <summary>
    /// Why the promotion cannot go on: a volume has neither a disk here nor a peer that serves it; or it was given a disk since the peer was asked, which may hold the generation for the newer one by now. Null if it can.
    /// </summary>
    public CommandResult? WhyNotServed() =>
        WhyNotJudgedSo() ?? (context.Volumes.Find(static volume => !volume.HasDisk && !volume.IsServed) is { } unserved ? NotServed(unserved) : null);

    /// <summary>Why the judgement does not hold any more: a disk has come that nobody has compared with what the peer has. Null if it holds.</summary>
    public CommandResult? WhyNotJudgedSo() =>
        _asked.Find(static volume => volume.HasDisk || volume.Disk == DiskState.Attaching) is { } attached
            ? CommandResult.Refused($"{context.Settings.Name}/{attached.Name}: a disk was attached while the peer was asked to serve the volume", "look at status, and try again")
            : null;

    /// <summary>The promotion is over: the volumes are served as those of any Primary, and what the disks that are gone were ahead with is given up, if anything.</summary>
    public void Done()
    {
        foreach (Volume volume in _asked)
            volume.AheadGeneration = GenerationId.None;
        _asked.Clear();
    }

    /// <summary>The promotion has come to nothing: nobody has been told of anything.</summary>
    public void Withdraw()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.HasDisk && !_asked.Contains(volume))
                continue;
            if (volume.Remote.Server is { } server)
                server.IsReplicating = false;
            RemoteService.End(volume);
        }

        _asked.Clear();
    }

    private CommandResult NotServed(Volume volume) => CommandResult.NoUpToDateData(
        $"{context.Settings.Name}/{volume.Name} has no local disk here ({volume.Disk}), and no peer serves it any more", "look at status, and try again");
}
