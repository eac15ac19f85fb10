namespace BlockRepl.Core;

/// <summary>
/// Reads of a comparison, on both sides. A range is read while no change that overlaps it is under way, and later changes wait until the read is over: on the source its digests
/// are in the stream before them, on the target it has its place behind the changes that came before it. So both read the same point of stream order.
/// </summary>
internal static class VerifyReads
{
    /// <summary>Takes a range up: it is read as soon as nothing overlaps it.</summary>
    public static void Start(ResourceContext context, VerifyChunk chunk)
    {
        ChangeRequest request = context.RentRequest();
        request.Kind = Protocol.ChangeKind.Write;
        request.Origin = ChangeOrigin.VerifyRead;
        request.Volume = chunk.PeerVolume.Volume.Nr;
        request.Range = chunk.Range;
        request.Link = chunk.PeerVolume.Peer.Link;
        request.Verify = chunk;
        if (chunk.PeerVolume.Volume.Active.TryStart(request))
            context.StartOnDisk(EffectKind.VerifyRead, request);
    }

    /// <summary>A range that was held back may be read, if anybody still wants it.</summary>
    public static void Release(ResourceContext context, ChangeRequest request)
    {
        PeerVolume peerVolume = request.Verify!.PeerVolume;
        if (peerVolume.Verify == request.Verify.Job || peerVolume.VerifyTarget == request.Verify.Job)
        {
            context.StartOnDisk(EffectKind.VerifyRead, request);
            return;
        }

        peerVolume.Volume.Active.Remove(request);
        context.ReturnRequest(request);
    }
}
