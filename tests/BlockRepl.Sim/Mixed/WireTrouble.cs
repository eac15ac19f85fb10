using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Mixed;

/// <summary>Frames that come when or as they must not: from an old connection after a new one has begun (hard part 11), or with a bit turned over (G10).</summary>
public sealed class WireTrouble(ClusterHarness cluster, Prng chance)
{
    private const int LateFramesMax = 24;

    private readonly List<(LinkId Link, int To, byte[] Frame)> _late = [];

    /// <summary>The network is about to lose the connection: some of what is on the way comes later all the same, as from a receiver that was slow.</summary>
    public void KeepFrames()
    {
        if (cluster.Link is not { IsCut: false } link)
            return;
        for (int to = 0; to < 2; to++)
        {
            foreach (byte[] frame in link.To[to].TakeLast(8))
                _late.Add((link.Id, to, frame));
        }

        if (_late.Count > LateFramesMax)
            _late.RemoveRange(0, _late.Count - LateFramesMax);
    }

    /// <summary>Hands a node a frame of a connection that it has noticed to be over; mostly once another is up, where it could do harm. Null if there is none.</summary>
    public string? DeliverLate(SimulatedNode node)
    {
        if (node.Status.Link(ClusterHarness.PeerOf) == LinkId.None && !chance.OneIn(8))
            return null;
        List<(LinkId Link, int To, byte[] Frame)> mine = _late.FindAll(late => late.To == node.Index && late.Link != node.Status.Link(ClusterHarness.PeerOf));
        if (mine.Count == 0)
            return null;
        (LinkId link, _, byte[] frame) = mine[chance.Below(mine.Count)];
        _late.RemoveAll(late => late.Frame == frame);
        FrameCodec.Decode(frame, node.Pool, e => node.Apply(e with { Link = link }));
        return $"a late {PeerMessageCodec.PeekKind(frame)}";
    }

    /// <summary>Damages the next frame to a node and delivers it as a receiver would: a frame that is not intact ends the connection. Null if there is none.</summary>
    public string? DeliverDamaged(SimulatedNode node)
    {
        if (cluster.Link is not { IsCut: false } link || link.IsClosed[node.Index] || !link.To[node.Index].TryPeek(out byte[]? frame))
            return null;
        FrameKind kind = PeerMessageCodec.PeekKind(frame);
        frame[chance.OneIn(3) ? chance.Below(frame.Length) : frame.Length - 1 - chance.Below(Math.Min(frame.Length, Block.Size))] ^= (byte)(1 << chance.Below(8));
        if (IsIntact(frame))
        {
            cluster.Deliver(node);
            return $"a damaged {kind} as good";
        }

        cluster.Cut();
        return $"a damaged {kind}";
    }

    private static bool IsIntact(byte[] frame) => PeerMessageCodec.PeekKind(frame) switch
    {
        FrameKind.Malformed or FrameKind.Unsupported or FrameKind.Ignorable => false,
        FrameKind.Changes => ChangesFrameReader.TryRead(frame, out ChangesFrameReader changes, out _) && changes.VerifyCrc(),
        FrameKind.ResyncData => ResyncDataFrameReader.TryRead(frame, out ResyncDataFrameReader data, out _) && data.VerifyCrc(),
        FrameKind.ReadReply => ReadReplyFrameReader.TryRead(frame, out ReadReplyFrameReader reply, out _) && reply.VerifyCrc(),
        FrameKind.Ack => AckFrameReader.TryRead(frame, out _, out _),
        _ => PeerMessageCodec.TryDecode(frame, out _, out _),
    };
}
