using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// One established stream to a peer, from Core's Send effects to the channel. Effects are queued under the resource's gate, which fixes their order; whoever
/// comes first drains the queue, and finds more the busier it is: batches form by themselves. Never blocks on the network.
/// </summary>
/// <remarks>
/// Resync data is given to the channel only when the channel has next to nothing left to send: what stands there can no longer be overtaken by an application's change. While the application
/// keeps the link busy a piece goes all the same every <see cref="BulkWaitMs"/>, so that a resync always ends.
/// </remarks>
internal sealed class PeerLink(LinkId id, PeerId peer, IPeerChannel channel, BatchCompressor compressor)
{
    /// <summary>How long a piece of resync data waits at most while others go before it.</summary>
    public const long BulkWaitMs = 250;

    // With so much or less in the channel's queue the next piece of resync data may follow.
    private const long BulkBelowBytes = 64 << 10;

    private readonly Lock _queueLock = new();
    private readonly FrameBatcher _batcher = new(channel, compressor);
    private readonly SendQueue _queue = new();
    private readonly List<Effect> _draining = new(256);
    private long _bulkBytes;
    private long _bulkSinceMs;
    private int _work;
    private readonly Lock _waitLock = new();
    private int _waiting;
    private long _waitingSinceMs;

    public LinkId Id { get; } = id;

    public PeerId Peer { get; } = peer;

    public IPeerChannel Channel { get; } = channel;

    /// <summary>Signalled when the channel's queue has run empty: the resync's readers may go on.</summary>
    public ManualResetEventSlim DrainedForResync { get; } = new(true);

    /// <summary>The same for clients' threads, which wait for more room, and must not have it taken back by a reader whose limit is the lower.</summary>
    public ManualResetEventSlim DrainedForWriters { get; } = new(true);

    /// <summary>Signalled when changes of the peer have been applied: the receiver, where it waits for this node's disk, may look again.</summary>
    public ManualResetEventSlim Applied { get; } = new();

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

    /// <summary>Bytes of resync data that wait here for their turn.</summary>
    public long BulkBytes => Volatile.Read(ref _bulkBytes);

    /// <summary>Queues a Send effect. Called under the resource's gate.</summary>
    public void Enqueue(in Effect effect)
    {
        lock (_queueLock)
        {
            if (!_queue.HasBulk)
                _bulkSinceMs = ResourceRuntime.NowMs;
            _queue.Add(in effect);
            Volatile.Write(ref _bulkBytes, _queue.BulkBytes);
        }
    }

    /// <summary>The channel's queue has run empty, or the link is over: whoever waits looks again.</summary>
    public void NoteDrained()
    {
        DrainedForResync.Set();
        DrainedForWriters.Set();
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
        List<Effect> left = [];
        lock (_queueLock)
        {
            _queue.TakeAll(left);
            Volatile.Write(ref _bulkBytes, 0);
        }

        foreach (Effect effect in left)
            FrameBatcher.ReleaseBuffer(in effect);
        NoteDrained();
    }

    private void SendQueued()
    {
        while (TakeNext())
        {
            _batcher.Send(_draining);
            _draining.Clear();
        }
    }

    // The channel tells when it has run empty, which drains again.
    private bool TakeNext()
    {
        long channelBytes = Channel.QueuedBytes;
        lock (_queueLock)
        {
            _queue.TakeOrdered(_draining);
            bool hasWaited = ResourceRuntime.NowMs - _bulkSinceMs >= BulkWaitMs;
            if (_queue.HasBulk && (hasWaited || (_draining.Count == 0 && channelBytes <= BulkBelowBytes)))
            {
                _queue.TakeBulk(_draining);
                _bulkSinceMs = ResourceRuntime.NowMs;
                Volatile.Write(ref _bulkBytes, _queue.BulkBytes);
            }

            return _draining.Count > 0;
        }
    }
}
