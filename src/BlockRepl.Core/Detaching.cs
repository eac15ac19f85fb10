using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// <c>detach</c>. A Primary asks itself whether a peer could serve; a Secondary asks its Primary, because that may be losing its own disk at this moment and be about to count on this one. From
/// the grant on the Primary counts on it no more, so whichever comes first is known on both sides.
/// </summary>
internal sealed class Detaching(ResourceContext context, LocalDisk disk, RemoteService remote)
{
    private readonly List<Asked> _asked = [];

    private sealed record Asked(PeerVolume At, ulong Id, LinkId Link, CommandBatch Batch);

    /// <summary>Set by <see cref="ResourceCore"/>: a peer's disk is not counted on any more.</summary>
    public Action<PeerVolume> OnPeerDetaches { get; set; } = _ => { };

    /// <summary>Stops using the disk of a volume, or of all; refused as a whole with 11 where one cannot go.</summary>
    public void Start(VolumeNr? named, bool isBusy, object? cookie)
    {
        List<Volume> volumes = [.. context.Volumes.Where(volume => named is null || volume.Nr == named)];
        foreach (Volume volume in volumes)
        {
            if (WhyNot(volume, isBusy) is { } refusal)
            {
                context.CompleteCommand(cookie, refusal);
                return;
            }
        }

        var batch = new CommandBatch(context, cookie);
        foreach (Volume volume in volumes)
        {
            if (volume.HasDisk && Array.Find(volume.Peers, IsCountedOnBy) is { } primary)
                Ask(primary, batch);
            else
                disk.GiveUp(volume, "detached by an operator", isLoss: false);
        }

        batch.CompleteIfDone();
    }

    /// <summary>A Secondary wants to detach its disk.</summary>
    public void PeerAsks(PeerVolume at, DetachRequestMessage request)
    {
        bool isNeeded = at.Volume.IsServed || !at.Volume.HasDisk || at.Volume.IsReturning || at.Volume.Disk != DiskState.UpToDate;
        string refusal = context.Role == Role.Primary && isNeeded
            ? $"{context.Settings.NodeName} is Primary and its disk is {at.Volume.Disk}: that is its only current copy"
            : "";
        if (refusal.Length == 0)
            OnPeerDetaches(at);
        context.Send(at.Peer, new DetachReplyMessage(request.Id, refusal.Length == 0, refusal));
    }

    /// <summary>The Primary has answered.</summary>
    public void PeerAnswers(Peer peer, DetachReplyMessage reply)
    {
        if (_asked.Find(one => one.Id == reply.Id && one.At.Peer == peer) is not { } asked)
            return;
        _asked.Remove(asked);
        if (!reply.Granted)
        {
            asked.Batch.End(CommandResult.Refused(
                $"{Name(asked.At.Volume)}: {peer.Name} refuses: {reply.Reason}", $"attach its disk first: blockrepl attach {Name(asked.At.Volume)}, there"));
            return;
        }

        disk.GiveUp(asked.At.Volume, "detached by an operator", isLoss: false);
        asked.Batch.End(CommandResult.Ok);
    }

    /// <summary>Ends what cannot be answered any more. Called after every event.</summary>
    public void Advance()
    {
        for (int i = _asked.Count - 1; i >= 0; i--)
        {
            Asked asked = _asked[i];
            if (asked.At.Peer.Link == asked.Link)
                continue;
            _asked.RemoveAt(i);
            asked.Batch.End(CommandResult.Refused(
                $"{Name(asked.At.Volume)}: the connection was lost before {asked.At.Peer.Name} had agreed", "look at status, and try again"));
        }
    }

    private static bool IsCountedOnBy(PeerVolume at) =>
        at.IsMatched && at.Peer is { IsConnected: true, Role: Role.Primary, Version: >= ProtocolVersion.V2 };

    private void Ask(PeerVolume at, CommandBatch batch)
    {
        ulong id = context.NextTicket();
        batch.Begin();
        _asked.Add(new Asked(at, id, at.Peer.Link, batch));
        context.Send(at.Peer, new DetachRequestMessage(id, at.Volume.Nr));
    }

    private CommandResult? WhyNot(Volume volume, bool isBusy)
    {
        string name = Name(volume);
        if (!volume.HasDisk && volume.Disk != DiskState.Attaching)
            return null;
        if (isBusy || volume.Disk == DiskState.Attaching)
            return CommandResult.Refused($"{name}: a role change, a shutdown or an attachment is under way", "try again when it is over");
        if (context.Role == Role.Primary)
        {
            return remote.FindServer(volume) is not null
                ? null
                : CommandResult.Refused(
                    $"{name} is Primary here, and no peer in sync could serve it without this disk", $"wait for the peer: blockrepl wait-sync {context.Settings.Name}; or demote first");
        }

        foreach (PeerVolume peer in volume.Peers)
        {
            if (peer.Peer.IsConnected && peer.Peer.Role == Role.Primary && (peer.IsServing || peer.PeerDisk != DiskState.UpToDate))
                return CommandResult.Refused($"{name}: {peer.Peer.Name} is Primary and its disk is {peer.PeerDisk}: this is its only current copy", $"attach its disk first: blockrepl attach {name}, there");
        }

        return null;
    }

    private string Name(Volume volume) => $"{context.Settings.Name}/{volume.Name}";
}
