namespace BlockRepl.Core;

/// <summary>Bookkeeping of the changes whose only good copy is at the peer that serves (G11): counted, and done only when the peer has them for certain.</summary>
internal static class ServedChanges
{
    /// <summary>The change relies on the server.</summary>
    public static void Count(Volume volume, ChangeRequest request)
    {
        if (request.IsServed)
            return;
        request.IsServed = true;
        volume.ServedChanges++;
    }

    /// <summary>The change is over, however it ended.</summary>
    public static void Discount(Volume volume, ChangeRequest request)
    {
        if (!request.IsServed)
            return;
        request.IsServed = false;
        volume.ServedChanges--;
    }

    /// <summary>
    /// The change was under way on the disk that failed. The peer has it, or will; with protocols A and B nobody waited for that so far (I3, I8).
    /// </summary>
    public static void RelyOn(Volume volume, ChangeRequest request, long nowMs)
    {
        Count(volume, request);
        Generations.AwaitGeneration(volume, request);
        if ((request.Waits & ChangeWaits.Peer) != 0)
            return;
        PeerVolume server = volume.Remote.Server!;
        Peer peer = server.Peer;
        bool isThere = request.IsFlush ? server.PeerStable >= request.Sequence : peer.Applied >= request.Sequence;
        if (isThere)
            return;
        request.Waits |= ChangeWaits.Peer;
        if (peer.AwaitingAck.Count == 0 && server.AwaitingStable.Count == 0)
            peer.ProgressMs = nowMs;
        InsertInOrder(request.IsFlush ? server.AwaitingStable : peer.AwaitingAck, request);
    }

    private static void InsertInOrder(Queue<ChangeRequest> queue, ChangeRequest request)
    {
        bool isIn = false;
        for (int left = queue.Count; left > 0; left--)
        {
            ChangeRequest other = queue.Dequeue();
            if (!isIn && other.Sequence > request.Sequence)
            {
                queue.Enqueue(request);
                isIn = true;
            }

            queue.Enqueue(other);
        }

        if (!isIn)
            queue.Enqueue(request);
    }
}
