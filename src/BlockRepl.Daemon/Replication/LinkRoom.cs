using BlockRepl.Core;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// The links of one resource by peer, and the room on them: who has more to send than a link takes waits here, within bounds (G12). Any thread may wait; the array belongs to
/// <see cref="ResourceRuntime"/>, which changes it under its gate.
/// </summary>
/// <param name="links">The links by <see cref="PeerId"/>; null where there is none.</param>
/// <param name="settings">The resource's settings as they are in force.</param>
internal sealed class LinkRoom(PeerLink?[] links, Func<ResourceSettings> settings)
{
    private const long ResyncQueuedBytesMax = 2 << 20;

    // Where a congested peer may fall behind, that decides first.
    private long QueuedBytesMax
    {
        get
        {
            ResourceSettings now = settings();
            return (16L << 20) + (now.OnCongestion == CongestionPolicy.PullAhead ? now.CongestionFillBytes : 0);
        }
    }

    /// <summary>The link that Core talks to a peer on, if it is still the one named.</summary>
    public PeerLink? Find(PeerId peer, LinkId id)
    {
        PeerLink? link = Of(peer);
        return link is not null && link.Id == id ? link : null;
    }

    /// <summary>The newest link to a peer; null if there is none.</summary>
    public PeerLink? Of(PeerId peer) => Volatile.Read(ref links[peer.Value]);

    /// <summary>What waits in the queue to a peer, and what may before writers are held up.</summary>
    public (long QueuedBytes, long QueuedBytesMax) QueueOf(PeerId peer) => (Of(peer)?.Channel.QueuedBytes ?? 0, QueuedBytesMax);

    /// <summary>Holds a writer up while a peer's queue is over its limit (G12): with protocols A and B nothing else does.</summary>
    public void AwaitForWriter()
    {
        long queuedBytesMax = QueuedBytesMax;
        foreach (PeerLink? link in links)
        {
            if (link is null || link.Channel.QueuedBytes <= queuedBytesMax)
                continue;
            link.BeginWait(ResourceRuntime.NowMs);
            while (link.Channel.QueuedBytes > queuedBytesMax && Find(link.Peer, link.Id) is not null)
                AwaitDrained(link, link.DrainedForWriters, queuedBytesMax, countsBulk: false);
            link.EndWait();
        }
    }

    /// <summary>Holds a reader of the resync up while the link has enough to send: application data goes first.</summary>
    public void AwaitForResync(ChangeRequest request)
    {
        ResyncChunk chunk = request.Chunk!;
        while (Find(chunk.Peer, chunk.Link) is { } link && link.Channel.QueuedBytes + link.BulkBytes > ResyncQueuedBytesMax)
        {
            AwaitDrained(link, link.DrainedForResync, ResyncQueuedBytesMax, countsBulk: true);

            // Where others' changes keep the channel from running empty, somebody must see that the oldest piece has waited long enough.
            link.Drain();
        }
    }

    /// <summary>Clients that wait for room on a link, and since when, a sentence each (hard part 28).</summary>
    public IEnumerable<string> Waits()
    {
        foreach (PeerLink? link in links)
        {
            if (link?.Waiting is { Count: > 0 } waiting)
                yield return $"room on the link to {settings().Peers[link.Peer.Value]}: {waiting.Count} clients for {ResourceRuntime.NowMs - waiting.SinceMs} ms";
        }
    }

    // Until the link has run empty, or for a moment.
    private static void AwaitDrained(PeerLink link, ManualResetEventSlim drained, long bytesMax, bool countsBulk)
    {
        drained.Reset();
        if (link.Channel.QueuedBytes + (countsBulk ? link.BulkBytes : 0) > bytesMax)
            drained.Wait(100);
        else
            drained.Set(); // what this thread has taken back was meant for all that wait
    }
}
