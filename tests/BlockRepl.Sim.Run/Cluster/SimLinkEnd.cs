using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Replication;
using BlockRepl.Rpc;

namespace BlockRepl.Sim.Run;

/// <summary>One node's end of a connection: what is to be sent, batched by the daemon's own batcher, and what is on its way here.</summary>
internal sealed class SimLinkEnd : IPeerChannel
{
    private readonly Simulation _simulation;
    private readonly FrameBatcher _batcher;
    private readonly Queue<(byte[] Frame, long AtUs)> _arriving = new();
    private List<Effect> _queue = [];
    private List<Effect> _draining = [];
    private bool _isDrainDue;
    private bool _isPumpDue;
    private long _lastAtUs;

    public SimLinkEnd(Simulation simulation, SimLink link, int node)
    {
        _simulation = simulation;
        Link = link;
        Node = node;
        _batcher = new FrameBatcher(this, new BatchCompressor(CompressionPolicy.Off));
    }

    /// <summary>The connection.</summary>
    public SimLink Link { get; }

    /// <summary>Index of the node.</summary>
    public int Node { get; }

    /// <summary>The node has closed it, or was told that it is over, or is dead.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>The node's Core knows of it.</summary>
    public bool IsBound { get; set; }

    /// <summary>Nothing arrives here before that time (one-way stall).</summary>
    public long StalledUntilUs { get; set; }

    /// <summary>When a frame last came.</summary>
    public long LastReceivedMs { get; private set; }

    /// <summary>One bit of the next frame that arrives here flips.</summary>
    public bool CorruptsNext { get; set; }

    /// <inheritdoc/>
    public string? AuthenticatedPeer => null;

    /// <inheritdoc/>
    public bool IsDialer => Node == 0;

    /// <inheritdoc/>
    public string RemoteAddress => "peer";

    /// <summary>Bytes on their way to the other end.</summary>
    public long QueuedBytes => Other.ArrivingBytes;

    /// <summary>It is closed; or it died before its node had heard anything on it, so that the node does not know it.</summary>
    public bool IsOver => IsClosed || (Link.IsDead && !IsBound);

    /// <inheritdoc/>
    public bool HasMore => _arriving.Count > 0;

    /// <inheritdoc/>
    public long MeasureLink() => 0;

    /// <summary>
    /// Nothing is to be sent, and nothing on its way here. What was sent into a link that is dead and not known to be is as good as on its way: with protocol A the client has its answer, so that
    /// neither node shows that anything is left to do.
    /// </summary>
    public bool IsIdle => IsOver || (!Link.IsDead && _queue.Count == 0 && _arriving.Count == 0);

    private long ArrivingBytes { get; set; }

    private SimLinkEnd Other => Link.Ends[1 - Node];

    private SimNode Owner => _simulation.Nodes[Node];

    /// <summary>Takes a Send effect; it is sent, with what follows it, a moment later.</summary>
    public void Enqueue(in Effect effect)
    {
        _queue.Add(effect);
        if (_isDrainDue)
            return;
        _isDrainDue = true;
        Owner.Post(_simulation.Plan.CarrierDelay(_simulation.NetChance), Drain);
    }

    /// <summary>Sends what is queued.</summary>
    public void Drain()
    {
        _isDrainDue = false;
        (_queue, _draining) = (_draining, _queue);
        _batcher.Send(_draining);
        _draining.Clear();
    }

    /// <inheritdoc/>
    public void Send(ReadOnlySpan<byte> head, ReadOnlySpan<PayloadSegment> payload)
    {
        if (IsClosed)
            return;
        if (Link.IsDead)
        {
            Link.HasLost = true;
            return;
        }

        int length = head.Length;
        foreach (ref readonly PayloadSegment segment in payload)
            length += segment.Length;
        byte[] frame = GC.AllocateUninitializedArray<byte>(length);
        head.CopyTo(frame);
        int at = head.Length;
        foreach (ref readonly PayloadSegment segment in payload)
        {
            segment.Buffer.Span.Slice(segment.Offset, segment.Length).CopyTo(frame.AsSpan(at));
            at += segment.Length;
        }

        Other.Arrive(frame);
    }

    /// <inheritdoc/>
    public void Close(ChannelCloseReason reason, string detail) => Close();

    /// <summary>This node is done with it: what it sent arrives, then the other end learns of it.</summary>
    public void Close()
    {
        if (IsClosed)
            return;
        Drain();
        IsClosed = true;
        _arriving.Clear();
        Other.Pump();
    }

    /// <summary>The process is gone, or the host: nothing is sent any more.</summary>
    public void Die(bool tellsOther)
    {
        _queue.Clear();
        _isDrainDue = false;
        IsClosed = true;
        _arriving.Clear();
        if (tellsOther)
            Other.Pump();
        else
            Link.IsDead = true;
    }

    /// <summary>What stood still may go on.</summary>
    public void Pump()
    {
        if (_isPumpDue || IsClosed)
            return;
        bool isEnd = _arriving.Count == 0;
        if (isEnd && !Other.IsClosed)
            return;
        _isPumpDue = true;
        long at = Math.Max(StalledUntilUs, isEnd ? _simulation.Clock.NowUs + _simulation.Plan.LinkDelay(_simulation.NetChance) : _arriving.Peek().AtUs);
        Owner.PostAt(at, Take, _simulation.Nodes[Node].IsAlive);
    }

    private void Arrive(byte[] frame)
    {
        if (IsClosed)
            return;
        _lastAtUs = Math.Max(_lastAtUs + 1, _simulation.Clock.NowUs + _simulation.Plan.LinkDelay(_simulation.NetChance));
        _arriving.Enqueue((frame, _lastAtUs));
        ArrivingBytes += frame.Length;
        Pump();
    }

    private void Take()
    {
        _isPumpDue = false;
        if (IsClosed || Link.IsDead)
            return;
        if (StalledUntilUs > _simulation.Clock.NowUs)
        {
            Pump();
            return;
        }

        if (!_arriving.TryDequeue(out (byte[] Frame, long AtUs) next))
        {
            if (Other.IsClosed)
                EndOf(ConnectionStateOf.PeerClosed, "the peer closed the connection");
            return;
        }

        ArrivingBytes -= next.Frame.Length;
        LastReceivedMs = _simulation.Clock.NowMs;
        bool isCorrupt = CorruptsNext;
        if (isCorrupt)
        {
            CorruptsNext = false;
            next.Frame[_simulation.NetChance.Below(next.Frame.Length)] ^= (byte)(1 << _simulation.NetChance.Below(8));
        }

        Owner.Receive(this, next.Frame, isCorrupt);
        Pump();
    }

    /// <summary>The node learns that the connection is over.</summary>
    public void EndOf(Primitives.ConnectionState why, string detail)
    {
        if (IsClosed)
            return;
        IsClosed = true;
        _arriving.Clear();
        _queue.ForEach(static effect => FrameBatcher.ReleaseBuffer(in effect));
        _queue.Clear();
        Other.Pump();
        if (IsBound)
            Owner.LinkIsOver(this, why, detail);
    }

    private static class ConnectionStateOf
    {
        public const Primitives.ConnectionState PeerClosed = Primitives.ConnectionState.BrokenPipe;
    }
}
