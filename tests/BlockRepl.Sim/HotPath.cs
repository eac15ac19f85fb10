using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim;

/// <summary>
/// The data path of one warm Core without anything around it: each call brings a client's or the peer's change, answers every effect at once and leaves the resource idle. Used to count
/// what the path allocates and to time it; it allocates nothing itself.
/// </summary>
public sealed class HotPath : IDisposable
{
    private static readonly object Cookie = new();

    private readonly ClusterHarness _cluster;
    private readonly ResourceCore _core;
    private readonly EffectQueue _effects = new();
    private readonly Effect[] _seen = new Effect[16];
    private readonly LinkId _link;
    private readonly BlockBuffer _buffer;
    private ulong _sequence;

    private HotPath(ClusterHarness cluster, SimulatedNode node)
    {
        _cluster = cluster;
        _core = node.Core;
        _link = cluster.Link!.Id;
        _buffer = node.Pool.Rent(Block.Size, BufferPurpose.Test);
    }

    /// <summary>The Primary's half: <see cref="Write"/> and <see cref="Flush"/>.</summary>
    public static HotPath OnPrimary()
    {
        ClusterHarness cluster = Warm();
        var path = new HotPath(cluster, cluster.Alpha);
        path.LearnSequence();
        return path;
    }

    /// <summary>The Secondary's half: <see cref="PeerWrite"/> and <see cref="PeerBarrier"/>.</summary>
    public static HotPath OnSecondary()
    {
        ClusterHarness cluster = Warm();
        return new HotPath(cluster, cluster.Beta) { _sequence = 1_000 };
    }

    /// <summary>A client writes one block; the local disk and the peer have it.</summary>
    public void Write() => ClientChange(new ChangeHeader(ChangeKind.Write, default, 0, Block.Size, 0), _buffer);

    /// <summary>A client flushes; both disks are stable.</summary>
    public void Flush() => ClientChange(new ChangeHeader(ChangeKind.Flush, default, 0, 0, 0), null);

    /// <summary>A block comes in the peer's stream and is on the local disk.</summary>
    public void PeerWrite() => PeerChange(new ChangeHeader(ChangeKind.Write, default, 0, Block.Size, 0), _buffer);

    /// <summary>A barrier comes in the peer's stream and the local disk is stable.</summary>
    public void PeerBarrier() => PeerChange(new ChangeHeader(ChangeKind.Flush, default, 0, 0, 0), null);

    /// <summary>Throws unless nothing is under way and every buffer was given back.</summary>
    public void Dispose()
    {
        _buffer.Release();
        Assert.True(_core.Status.IsIdle);
        _cluster.AssertNothingLeaked();
    }

    private static ClusterHarness Warm()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        return cluster;
    }

    private void ClientChange(ChangeHeader header, BlockBuffer? data)
    {
        int count = Apply(new CoreEvent { Kind = CoreEventKind.ClientChange, Header = header, Subject = data, Second = Cookie, NowMs = _cluster.NowMs });
        for (int i = 0; i < count; i++)
        {
            if (_seen[i].Kind != EffectKind.SendChange)
                continue;
            _sequence = _seen[i].Sequence.Value;
            _seen[i].Buffer?.Release();
        }

        Complete(count);
        _core.Apply(
            new CoreEvent { Kind = CoreEventKind.PeerAck, Link = _link, Sequence = new(_sequence), Applied = new(_sequence), NowMs = _cluster.NowMs }, _effects);
        _core.Apply(new CoreEvent { Kind = CoreEventKind.PeerStable, Link = _link, Sequence = new(_sequence), NowMs = _cluster.NowMs }, _effects);
        _effects.Clear();
    }

    private void PeerChange(ChangeHeader header, BlockBuffer? data)
    {
        int count = Apply(new CoreEvent
        {
            Kind = CoreEventKind.PeerChange,
            Link = _link,
            Sequence = new(++_sequence),
            Header = header,
            Subject = data,
            NowMs = _cluster.NowMs,
        });
        Complete(count);
    }

    // A flush through Core tells the number that it has come to; its effects are answered like the others.
    private void LearnSequence()
    {
        int count = Apply(new CoreEvent { Kind = CoreEventKind.ClientChange, Header = new(ChangeKind.Flush, default, 0, 0, 0), Second = Cookie });
        for (int i = 0; i < count; i++)
            _sequence = Math.Max(_sequence, _seen[i].Kind == EffectKind.SendChange ? _seen[i].Sequence.Value : 0);
        Complete(count);
        _core.Apply(new CoreEvent { Kind = CoreEventKind.PeerStable, Link = _link, Sequence = new(_sequence) }, _effects);
        _effects.Clear();
    }

    private int Apply(in CoreEvent e)
    {
        _core.Apply(in e, _effects);
        int count = _effects.Count;
        _effects.Items.CopyTo(_seen);
        _effects.Clear();
        return count;
    }

    private void Complete(int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (_seen[i].Kind == EffectKind.LocalChange)
                _core.Apply(new CoreEvent { Kind = CoreEventKind.LocalChangeCompleted, Subject = _seen[i].Subject, NowMs = _cluster.NowMs }, _effects);
            else if (_seen[i].Kind == EffectKind.LocalFlush)
                _core.Apply(new CoreEvent { Kind = CoreEventKind.LocalFlushCompleted, Number = _seen[i].Ticket, NowMs = _cluster.NowMs }, _effects);
        }

        _effects.Clear();
    }
}
