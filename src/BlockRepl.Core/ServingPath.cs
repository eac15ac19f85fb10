using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// The Secondary's half of serving a Primary whose own disk is gone (G11): it takes a generation of its own, marks every change towards the lost disk under the
/// protection of its own activity log (G8), and answers reads in stream order.
/// </summary>
internal sealed class ServingPath(ResourceContext context, Generations generations, LocalDisk disk)
{
    /// <summary>A Primary asks for data, or to be served. Returns what is wrong with the request, or null.</summary>
    public string? Asked(Peer peer, PeerVolume? peerVolume, ReadRequestMessage message)
    {
        // One that has no disk asks to be served before it is Primary: it becomes that when this node has said that it serves.
        if (peer.Version < ProtocolVersion.V2 || (peer.Role != Role.Primary && message.ServeGeneration.IsNone))
            return "a read request from a node that may not ask";
        if (peerVolume is null)
            return $"a read request for unknown volume number {message.Nr}";
        if (!message.ServeGeneration.IsNone)
        {
            Serve(peerVolume, message);
            return null;
        }

        Volume volume = peerVolume.Volume;
        ByteRange range = message.Range;
        if (range.Offset > volume.SizeBytes - range.Length)
            return $"a read request beyond the end of {volume.Name}";
        bool isTooMuch = peer.ReadsServed >= ProtocolLimits.ReadsMax
            || (peer.ReadsServed > 0 && peer.ReadBytesServed + range.Length > ProtocolLimits.ReadWindowBytesMax);
        if (isTooMuch)
            return $"more than {ProtocolLimits.ReadsMax} reads or {ProtocolLimits.ReadWindowBytesMax} bytes asked for at once";
        var chunk = new ResyncChunk { Id = message.Id, Volume = volume.Nr, Range = range, Peer = peer.Id, Link = peer.Link };
        if (volume.Disk != DiskState.UpToDate)
        {
            Reply(chunk, DiskResult.Io);
            return null;
        }

        peer.ReadsServed++;
        peer.ReadBytesServed += range.Length;
        ChangeRequest request = context.RentRequest();
        request.Kind = ChangeKind.Write;
        request.Origin = ChangeOrigin.PeerRead;
        request.Volume = volume.Nr;
        request.Range = range;
        request.Link = peer.Link;
        request.Chunk = chunk;
        if (volume.Active.TryStart(request))
            Start(request);
        return null;
    }

    /// <summary>A read may start: every change that came before it and overlaps it is done.</summary>
    public void Start(ChangeRequest request) => context.StartOnDisk(EffectKind.PeerRead, request);

    /// <summary>A read is over, or will never be: it is answered.</summary>
    public void Answer(ChangeRequest request, DiskResult result)
    {
        ResyncChunk chunk = request.Chunk!;
        Peer peer = context.Peers[chunk.Peer.Value];
        if (peer.Link == chunk.Link)
        {
            peer.ReadsServed--;
            peer.ReadBytesServed -= chunk.Range.Length;
            if (!result.IsOk)
                context.Log($"{context.Settings.Name}@{peer.Name}: read at {chunk.Range.Offset} for the Primary failed: {result}");
            Reply(chunk, result);
        }
        else
        {
            chunk.Buffer?.Release();
            chunk.Buffer = null;
        }

        context.Release(request);
    }

    /// <summary>
    /// A change of the stream comes under the log from the Primary's request to be served on: marked towards the lost disk, and its extents active before it begins. False if it waits for
    /// them, or behind a change that does; it is then in <see cref="Volume.AwaitingExtent"/>.
    /// </summary>
    /// <param name="peerVolume">The volume, as the change's sender sees it.</param>
    /// <param name="request">The change.</param>
    /// <param name="hasWaited">
    /// It has waited for extents before. Its mark is durable only with the log, also when the connection is lost meanwhile, or the lost disk has come back: it came while
    /// this node served (G8).
    /// </param>
    public static bool TryEnter(PeerVolume peerVolume, ChangeRequest request, bool hasWaited)
    {
        Volume volume = peerVolume.Volume;
        bool waits = volume.WaitsForExtent(request.Range);
        if (!waits && !hasWaited && !peerVolume.GetsChangesAlone)
            return true;
        peerVolume.Mark(request.Range);
        if (waits || !volume.ActivityLog!.TryEnter(request.Range))
        {
            volume.AwaitingExtent.Add(request);
            return false;
        }

        request.Log = volume.ActivityLog;
        return true;
    }

    // What was applied before must be stable first: once the generation is durable the lost disk is no better copy of anything, whatever happens to this host.
    private void Serve(PeerVolume peerVolume, ReadRequestMessage message)
    {
        Volume volume = peerVolume.Volume;
        Peer peer = peerVolume.Peer;
        var chunk = new ResyncChunk { Id = message.Id, Volume = volume.Nr, Peer = peer.Id, Link = peer.Link, Range = default };
        peerVolume.GetsChangesAlone = volume.HasDisk;
        if (context.Role == Role.Primary || volume.Disk is not (DiskState.UpToDate or DiskState.Consistent))
        {
            Reply(chunk, DiskResult.Io);
            return;
        }

        peerVolume.IsServing = true;
        context.StateChanged = true;
        context.Log($"{context.Settings.Name}/{volume.Name}: serves {peer.Name}, generation {message.ServeGeneration}");
        disk.Flush(volume, FlushWaiter.ForAction(result =>
        {
            if (!result.IsOk || peer.Link != chunk.Link)
                return;
            generations.Persist(volume, WithGeneration(peerVolume, message.ServeGeneration), () =>
            {
                if (peer.Link == chunk.Link)
                    Reply(chunk, DiskResult.Ok);
            });
        }));
    }

    private Superblock WithGeneration(PeerVolume peerVolume, GenerationId generation)
    {
        Volume volume = peerVolume.Volume;
        Superblock superblock = volume.Superblock!;
        if (superblock.Current != generation)
        {
            PeerSlot slot = superblock.Peers[peerVolume.Slot];
            if (slot.BitmapGeneration.IsNone)
            {
                superblock = superblock.WithPeer(peerVolume.Slot, generations.GoesOnAlone(peerVolume, slot, superblock.Current, superblock.Flags, isOneHistory: true));
            }
            else
            {
                // What this node had gone on with alone the Primary goes on from.
                superblock = superblock.WithPeer(peerVolume.Slot, OneHistory.Noted(slot, true));
                superblock = superblock.WithHistory(superblock.Current);
            }

            superblock = superblock with { Current = generation };
        }

        // The Primary's own word: nobody has newer data (G6).
        if (volume.Disk == DiskState.Consistent)
            volume.Disk = DiskState.UpToDate;
        return superblock with { Flags = Generations.FlagsFor(volume.Disk, superblock.Flags) };
    }

    private void Reply(ResyncChunk chunk, DiskResult result)
    {
        Peer peer = context.Peers[chunk.Peer.Value];
        if (!result.IsOk)
        {
            chunk.Buffer?.Release();
            chunk.Buffer = null;
        }

        ref Effect effect = ref context.Effects.Add(EffectKind.SendReadReply);
        effect.Peer = chunk.Peer;
        effect.Link = chunk.Link;
        effect.Volume = chunk.Volume;
        effect.Subject = chunk;
        effect.Result = result;
        peer.LastSentMs = context.NowMs;
    }
}
