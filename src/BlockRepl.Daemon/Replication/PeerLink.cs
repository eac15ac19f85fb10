using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// One established stream to a peer, from Core's Send effects to the channel. Effects are queued under the resource's gate, which fixes their order; whoever
/// comes first drains the queue, and finds more the busier it is: batches form by themselves. Never blocks on the network.
/// </summary>
internal sealed class PeerLink(LinkId id, PeerId peer, IPeerChannel channel, BatchCompressor compressor)
{
    private readonly Lock _queueLock = new();
    private readonly FrameBatcher _batcher = new(channel, compressor);
    private List<Effect> _queue = new(256);
    private List<Effect> _draining = new(256);
    private int _work;
    private readonly Lock _waitLock = new();
    private int _waiting;
    private long _waitingSinceMs;

    public LinkId Id { get; } = id;

    public PeerId Peer { get; } = peer;

    public IPeerChannel Channel { get; } = channel;

    /// <summary>Signalled when the channel's queue has run empty: the resync's reader may go on.</summary>
    public ManualResetEventSlim Drained { get; } = new(true);

    /// <summary>From the next batch on. Any thread.</summary>
    public void SetCompression(CompressionPolicy policy) => compressor.Use(policy);

    /// <summary>Clients' threads that wait for room, and since when the first of them does (monotonic ms).</summary>
    public (int Count, long SinceMs) Waiting
    {
        get
        {
            lock (_waitLock)
                return (_waiting, _waitingSinceMs);
        }
    }

    /// <summary>A client's thread begins to wait for room.</summary>
    public void BeginWait(long nowMs)
    {
        lock (_waitLock)
        {
            if (_waiting++ == 0)
                _waitingSinceMs = nowMs;
        }
    }

    /// <summary>It has ended.</summary>
    public void EndWait()
    {
        lock (_waitLock)
            _waiting--;
    }

    /// <summary>Queues a Send effect. Called under the resource's gate.</summary>
    public void Enqueue(in Effect effect)
    {
        lock (_queueLock)
            _queue.Add(effect);
    }

    /// <summary>Sends what is queued unless somebody is at it already, who will then send this, too.</summary>
    public void Drain()
    {
        if (Interlocked.Increment(ref _work) != 1)
            return;
        int seen = 1;
        do
        {
            seen = Volatile.Read(ref _work);
            SendQueued();
        }
        while (Interlocked.CompareExchange(ref _work, 0, seen) != seen);
    }

    /// <summary>The link is over: gives back the buffers of what was never sent.</summary>
    public void Discard()
    {
        lock (_queueLock)
        {
            foreach (Effect effect in _queue)
                FrameBatcher.ReleaseBuffer(in effect);
            _queue.Clear();
        }

        Drained.Set();
    }

    private void SendQueued()
    {
        lock (_queueLock)
        {
            if (_queue.Count == 0)
                return;
            (_queue, _draining) = (_draining, _queue);
        }

        _batcher.Send(_draining);
        _draining.Clear();
    }
}
