using BlockRepl.Daemon.Configuration;
using BlockRepl.Primitives;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Replication;

/// <summary>Compresses a batch's payloads as one block where that pays. One thread at a time but for <see cref="Use"/>; one per link, because the governor learns from what went before.</summary>
internal sealed class BatchCompressor(CompressionPolicy policy)
{
    // A system call costs nothing beside a batch of that size; of smaller ones, not every one bears it.
    private const int MeasuredBatchBytes = 64 << 10;
    private const int MeasuredBatches = 32;

    private volatile CompressionGovernor _governor = GovernorFor(policy);
    private long _linkBytesPerSecond;
    private int _sinceMeasured = MeasuredBatches;

    /// <summary>Another policy, from the next batch on. Any thread.</summary>
    public void Use(CompressionPolicy next) => _governor = GovernorFor(next);

    /// <summary>The compressed bytes in a buffer with one reference, <see cref="BlockBuffer.Length"/> bytes long; null if the batch goes as it is.</summary>
    /// <param name="payload">The batch.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="channel">Where it goes: asked now and then how fast it is.</param>
    public BlockBuffer? TryCompress(ReadOnlySpan<PayloadSegment> payload, int length, IPeerChannel channel)
    {
        if (_governor.SkipsNext())
            return null;
        if (length >= MeasuredBatchBytes || ++_sinceMeasured >= MeasuredBatches)
        {
            _linkBytesPerSecond = channel.MeasureLink();
            _sinceMeasured = 0;
        }

        if (payload.Length == 1)
            return Compress(payload[0].Buffer.Span.Slice(payload[0].Offset, payload[0].Length));

        BlockBuffer gathered = BlockBufferPool.Shared.Rent(length, BufferPurpose.PeerSend);
        int at = 0;
        foreach (ref readonly PayloadSegment segment in payload)
        {
            segment.Buffer.Span.Slice(segment.Offset, segment.Length).CopyTo(gathered.Span[at..]);
            at += segment.Length;
        }

        BlockBuffer? compressed = Compress(gathered.Span);
        gathered.Release();
        return compressed;
    }

    private static CompressionGovernor GovernorFor(CompressionPolicy policy) => new(policy switch
    {
        CompressionPolicy.Off => CompressionMode.Off,
        CompressionPolicy.Lz4 => CompressionMode.Lz4,
        _ => CompressionMode.Auto,
    });

    private BlockBuffer? Compress(ReadOnlySpan<byte> batch)
    {
        BlockBuffer room = BlockBufferPool.Shared.Rent(batch.Length, BufferPurpose.PeerSend);
        if (_governor.TryCompress(batch, room.Span, _linkBytesPerSecond, out int written))
        {
            room.Shorten(written);
            return room;
        }

        room.Release();
        return null;
    }
}
