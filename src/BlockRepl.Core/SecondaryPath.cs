using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The Primary's stream on a Secondary: changes begin in stream order, overlapping ones wait for each other, and what is acknowledged is on the
/// disk, or for a barrier on stable storage (G2, G3, I6).
/// </summary>
internal sealed class SecondaryPath(ResourceContext context, LocalDisk disk)
{
    /// <summary>
    /// One change of the stream. Takes a reference on the buffer. Returns an explanation if the stream is not what it must be; the link is then closed.
    /// </summary>
    public string? PeerChange(Peer peer, SequenceNumber sequence, in ChangeHeader header, BlockBuffer? buffer, int bufferOffset)
    {
        if (peer.Step != HandshakeStep.Done || peer.Role != Role.Primary)
            return "a change came before the handshake was over, or from a node that is not Primary";

        // Numbers may be missing: what is marked instead of mirrored takes one as well, on this volume or on another. None may come twice.
        if (sequence <= peer.Received)
            return $"change {sequence} came after {peer.Received}";
        if (FindVolume(peer, header.Volume) is not { } peerVolume)
            return $"a change for unknown volume number {header.Volume}";
        if (header.Offset < 0 || header.Length < 0 || header.Offset > peerVolume.Volume.SizeBytes - header.Length)
            return $"a change beyond the end of {peerVolume.Volume.Name}";

        peer.Received = sequence;
        context.Application.NotePeerChange(context.NowUs);
        if (sequence > context.LastSequence)
            context.LastSequence = sequence;
        Volume volume = peerVolume.Volume;
        ChangeRequest request = context.RentRequest();
        request.Kind = header.Kind;
        request.Volume = volume.Nr;
        request.Range = header.Range;
        request.Flags = header.Flags;
        request.Sequence = sequence;
        request.Origin = ChangeOrigin.Peer;
        request.Link = peer.Link;
        peer.Arrived.Enqueue(request);

        if (header.Kind == ChangeKind.Flush)
        {
            request.IsApplied = true;
            peer.Barriers.Enqueue((sequence, volume, (header.Flags & ChangeFlags.Background) != 0));
        }
        else if (header.Length == 0 || (Canary.TrimNotMirrored && header.Kind == ChangeKind.Trim))
        {
            request.IsApplied = true;
        }
        else if (!volume.HasDisk)
        {
            ReportFailure(peer, request, DiskResult.Io);
            request.IsApplied = true;
        }
        else
        {
            volume.LastChange = sequence;
            peer.UnappliedBytes += Weight(request);
            request.Buffer = buffer?.AddReference();
            request.BufferOffset = bufferOffset;
            Admit(peerVolume, request, hasWaited: false);
        }

        Advance(peer);
        return null;
    }

    /// <summary>The extents that a change waited for may be active now.</summary>
    public void Readmit(ChangeRequest request)
    {
        Volume volume = context.Volumes[request.Volume.Value];
        Peer peer = context.Peers[0];
        foreach (Peer candidate in context.Peers)
        {
            if (candidate.Link == request.Link)
                peer = candidate;
        }

        if (!volume.HasDisk)
        {
            Abandon(peer, request);
            return;
        }

        // Marked when it came; a resync that began meanwhile may have read what it has not changed yet.
        PeerVolume peerVolume = volume.Peers[peer.Id.Value];
        peerVolume.Mark(request.Range);
        Admit(peerVolume, request, hasWaited: true);
    }

    private void Admit(PeerVolume peerVolume, ChangeRequest request, bool hasWaited)
    {
        if (ServingPath.TryEnter(peerVolume, request, hasWaited) && peerVolume.Volume.Active.TryStart(request))
            Start(request);
    }

    /// <summary>Puts a change that overlaps nothing any more on its way to the disk.</summary>
    public void Start(ChangeRequest request) => context.StartOnDisk(EffectKind.LocalChange, request);

    /// <summary>The local disk is done with a change of the stream.</summary>
    public void LocalDone(Peer peer, ChangeRequest request, DiskResult result)
    {
        request.Log?.Leave(request.Range);
        request.Log = null;
        if (request.Link != peer.Link)
        {
            // Its connection is gone (hard part 11): nobody waits for it. What it changed is covered by the Primary's marks.
            context.ReturnRequest(request);
            return;
        }

        if (!result.IsOk)
            ReportFailure(peer, request, result);
        NoteApplied(peer, request);
    }

    /// <summary>The disk is gone that a change of the stream was meant for.</summary>
    public void Abandon(Peer peer, ChangeRequest request)
    {
        request.Log = null;
        if (request.Link != peer.Link)
        {
            context.Release(request);
            return;
        }

        NoteApplied(peer, request);
    }

    /// <summary>A barrier's flush is over.</summary>
    public void BarrierFlushed(Peer peer, Volume volume, LinkId link, SequenceNumber sequence, DiskResult result)
    {
        // Without success there is no answer: the disk has failed, which the peer learns from the status that follows.
        if (!result.IsOk || peer.Link != link)
            return;
        ref Effect effect = ref context.Effects.Add(EffectKind.SendStable);
        effect.Peer = peer.Id;
        effect.Link = link;
        effect.Volume = volume.Nr;
        effect.Sequence = sequence;
        peer.LastSentMs = context.NowMs;
    }

    /// <summary>Emits an acknowledgement if there is something new to say. Once an event, so a batch gets one.</summary>
    public void AcknowledgeIfDue(Peer peer)
    {
        if (peer.AppliedHere == peer.AckSent && (peer.Protocol == WriteProtocol.C || peer.Received == peer.ReceivedAckSent))
            return;
        peer.AckSent = peer.AppliedHere;
        peer.ReceivedAckSent = peer.Received;
        ref Effect effect = ref context.Effects.Add(EffectKind.SendAck);
        effect.Peer = peer.Id;
        effect.Link = peer.Link;
        effect.Sequence = peer.Received;
        effect.Applied = peer.AppliedHere;
        peer.LastSentMs = context.NowMs;
    }

    /// <summary>
    /// The connection is gone: nobody waits for an acknowledgement any more. What has arrived is still carried out, held changes included: with protocol B their
    /// arrival was the acknowledgement. The next handshake, and a promotion, wait until they are done, so nothing newer can be overtaken (hard part 11).
    /// </summary>
    public void Forget(Peer peer)
    {
        peer.Barriers.Clear();
        peer.UnappliedBytes = 0;
        while (peer.Arrived.TryDequeue(out ChangeRequest? request))
        {
            if (request.IsApplied)
                context.Release(request);
        }
    }

    // Its data, and what is kept of any change.
    private static long Weight(ChangeRequest request) => 512 + (request.Kind == ChangeKind.Write ? request.Range.Length : 0);

    private void NoteApplied(Peer peer, ChangeRequest request)
    {
        peer.UnappliedBytes -= Weight(request);
        request.IsApplied = true;
        Advance(peer);
    }

    private void Advance(Peer peer)
    {
        while (peer.Arrived.TryPeek(out ChangeRequest? request) && request.IsApplied)
        {
            peer.Arrived.Dequeue();
            peer.AppliedHere = request.Sequence;
            context.Release(request);
        }

        while (peer.Barriers.TryPeek(out (SequenceNumber Sequence, Volume Volume, bool IsBackground) barrier) && (peer.AppliedHere >= barrier.Sequence || Canary.BarrierOvertakesChanges))
        {
            peer.Barriers.Dequeue();
            disk.Flush(Canary.BarrierFlushesFirstVolume ? context.Volumes[0] : barrier.Volume, FlushWaiter.ForBarrier(peer, barrier.Volume, barrier.Sequence, barrier.IsBackground));
        }
    }

    private void ReportFailure(Peer peer, ChangeRequest request, DiskResult result)
    {
        context.Send(peer, new WriteFailedMessage(request.Sequence, request.Volume, request.Range, result.Errno));
    }

    /// <summary>The volume that the peer means by one of its numbers; null if it has none such.</summary>
    public PeerVolume? FindVolume(Peer peer, VolumeNr peerNr)
    {
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume peerVolume = volume.Peers[peer.Id.Value];
            if (peerVolume.IsMatched && peerVolume.PeerNr == peerNr)
                return peerVolume;
        }

        return null;
    }
}
