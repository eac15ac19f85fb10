using System.Globalization;

namespace BlockRepl.Core;

/// <summary>What clients' requests of a volume wait for at this moment, and since when (G12, hard part 28). Read under the gate.</summary>
internal static class Waits
{
    /// <summary>A sentence for each kind of wait; none while nothing waits.</summary>
    public static List<string> Of(ResourceContext context, Volume volume, WritePath writes)
    {
        List<string> waits = [];
        Add(waits, context, Reasons(writes), writes.Held.Where(request => request.Volume == volume.Nr));
        Add(waits, context, "an extent of the activity log", volume.AwaitingExtent);
        foreach (PeerVolume peer in volume.Peers)
        {
            if (peer.Saving is { } saving)
                waits.Add($"the resync waits until what is lost to {peer.Peer.Name} is saved, for {Math.Max(0, context.NowMs - saving.AskedMs)} ms");
            Add(waits, context, peer.Peer.Name, peer.Peer.AwaitingAck.Where(request => request.Volume == volume.Nr));
            Add(waits, context, $"a flush on {peer.Peer.Name}", peer.AwaitingStable);
        }

        Add(waits, context, "an earlier change of the same place", volume.Active.Held.Where(static request => request.Origin == ChangeOrigin.Client));
        Add(waits, context, "a lost peer to be fenced", volume.AwaitingFence);
        Add(waits, context, "a new generation to be durable", volume.AwaitingGeneration);
        Add(waits, context, "a flush of the local disk", volume.Flushes.Clients);
        Add(waits, context, "the local disk", volume.Active.UnderWay.Where(static request => request.Origin == ChangeOrigin.Client));
        return waits;
    }

    private static string Reasons(WritePath writes) => writes.Frozen.Reasons switch
    {
        FreezeReason.Handshake => "a handshake with the peer",
        FreezeReason.RoleChange => "a change of the role",
        _ => writes.Frozen.Reasons.ToString(),
    };

    // A barrier of the Primary's own keeps nobody waiting.
    private static void Add(List<string> waits, ResourceContext context, string what, IEnumerable<ChangeRequest> requests)
    {
        int count = 0;
        long oldest = long.MaxValue;
        foreach (ChangeRequest request in requests)
        {
            if ((request.Flags & Protocol.ChangeFlags.Background) != 0)
                continue;
            count++;
            oldest = Math.Min(oldest, request.AdmittedMs);
        }

        if (count > 0)
            waits.Add(string.Create(CultureInfo.InvariantCulture, $"{what}: {count} changes, the oldest for {Math.Max(0, context.NowMs - oldest)} ms"));
    }
}
