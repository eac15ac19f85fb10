namespace BlockRepl.Core;

/// <summary>What clients' requests on one volume wait for, in words (hard part 28, G12). Read under the gate.</summary>
internal static class Waits
{
    /// <summary>A sentence for each thing that is waited for; none if nothing is.</summary>
    public static IEnumerable<string> Of(ResourceContext context, Volume volume)
    {
        foreach (PeerVolume at in volume.Peers)
        {
            int writes = 0;
            foreach (ChangeRequest request in at.Peer.AwaitingAck)
                writes += request.Volume == volume.Nr ? 1 : 0;
            long sinceMs = Math.Max(0, context.NowMs - at.Peer.ProgressMs);
            if (writes > 0)
                yield return $"{writes} writes wait for {at.Peer.Name} for {sinceMs} ms";
            if (at.AwaitingStable.Count > 0)
                yield return $"{at.AwaitingStable.Count} flushes wait for the stable storage of {at.Peer.Name} for {sinceMs} ms";
        }

        if (volume.AwaitingExtent.Count > 0)
            yield return $"{volume.AwaitingExtent.Count} changes wait for room in the activity log";
        if (volume.GenerationPending)
            yield return $"{volume.AwaitingGeneration.Count} requests wait for a new generation to be durable";
        if (volume.Active.Count > 0)
            yield return $"{volume.Active.Count} changes are at the local disk, {volume.Active.HeldCount} wait for one that they overlap";
    }
}
