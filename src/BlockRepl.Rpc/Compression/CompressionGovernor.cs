namespace BlockRepl.Rpc;

/// <summary>
/// Decides, batch by batch, whether compression is worth its time. One for each sending direction; not thread-safe. In mode auto
/// it compresses a sample first and, while data do not shrink, skips twice as many batches each time before it looks again; and it compresses only where
/// the link needs longer for what compression saves than compression takes (docs/decisions/0180).
/// </summary>
/// <param name="mode">What the configuration says.</param>
/// <param name="time">By which compression is timed; null for the system's.</param>
public sealed class CompressionGovernor(CompressionMode mode, TimeProvider? time = null)
{
    /// <summary>Bytes at the start of a batch that are tried.</summary>
    public const int SampleBytes = 4096;

    /// <summary>Batches that are skipped at most between two looks.</summary>
    public const int SkipMax = 256;

    // Compressed data must be at least an eighth (12.5 %) smaller: LZ4 at 1 µs per 4 KiB costs more than the wire saves below that.
    private const int SavingShift = 3;

    private const double SpeedKept = 0.9;

    /// <summary>Batches that are skipped between two looks while the link is too fast.</summary>
    public const int FastLinkSkip = 32;

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly byte[] _sample = new byte[SampleBytes];
    // Bytes a second that samples were compressed at: the best of late, because a thread that had to wait for a processor says nothing about LZ4.
    private double _speed;
    private int _skip;
    private int _nextSkip = 1;

    /// <summary>Batches that were compressed.</summary>
    public long Compressed { get; private set; }

    /// <summary>Batches that were left as they are.</summary>
    public long Left { get; private set; }

    /// <summary>The mode in use: off when liblz4 is missing.</summary>
    public CompressionMode Mode { get; } = Lz4.Unavailable is null ? mode : CompressionMode.Off;

    /// <summary>
    /// Whether the next batch will not even be looked at: a caller that would have to gather it first need not. Counts as that batch.
    /// </summary>
    public bool SkipsNext()
    {
        if (Mode == CompressionMode.Off)
            return true;
        if (_skip == 0)
            return false;
        _skip--;
        Left++;
        return true;
    }

    /// <summary>
    /// Compresses a batch into <paramref name="destination"/>, which should be as long as the batch, or says that it is to be sent as it is.
    /// </summary>
    /// <param name="batch">What is to be sent.</param>
    /// <param name="destination">Where the compressed bytes go.</param>
    /// <param name="linkBytesPerSecond">What the link carries, 0 if that is not known: see <see cref="IPeerChannel.MeasureLink"/>.</param>
    /// <param name="written">How many they are.</param>
    public bool TryCompress(ReadOnlySpan<byte> batch, Span<byte> destination, long linkBytesPerSecond, out int written)
    {
        written = 0;
        if (ShouldTry(batch, linkBytesPerSecond) && Lz4.TryCompress(batch, destination[..Math.Min(destination.Length, Target(batch.Length))], out written))
        {
            _nextSkip = 1;
            Compressed++;
            return true;
        }

        written = 0;
        Left++;
        return false;
    }

    private bool ShouldTry(ReadOnlySpan<byte> batch, long linkBytesPerSecond)
    {
        if (Mode == CompressionMode.Off || batch.Length < 64)
            return false;
        if (Mode == CompressionMode.Lz4)
            return true;
        if (_skip > 0)
        {
            _skip--;
            return false;
        }

        ReadOnlySpan<byte> head = batch[..Math.Min(batch.Length, SampleBytes)];
        long began = _time.GetTimestamp();
        if (!Lz4.TryCompress(head, _sample.AsSpan(0, Target(head.Length)), out int sampled))
        {
            _skip = _nextSkip;
            _nextSkip = Math.Min(_nextSkip * 2, SkipMax);
            return false;
        }

        double seconds = _time.GetElapsedTime(began).TotalSeconds;
        if (head.Length == SampleBytes && seconds > 0)
            _speed = Math.Max(head.Length / seconds, _speed * SpeedKept);
        double saved = (double)(head.Length - sampled) / head.Length;
        if (linkBytesPerSecond == 0 || _speed == 0 || saved * _speed >= linkBytesPerSecond)
            return true;
        _skip = FastLinkSkip;
        return false;
    }

    private static int Target(int length) => length - (length >> SavingShift);
}
