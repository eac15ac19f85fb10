namespace BlockRepl.Rpc;

/// <summary>
/// Decides, batch by batch, whether compression is worth its time. One for each sending direction; not thread-safe. In mode auto
/// it compresses a sample first and, while data do not shrink, skips twice as many batches each time before it looks again.
/// </summary>
public sealed class CompressionGovernor(CompressionMode mode)
{
    /// <summary>Bytes at the start of a batch that are tried.</summary>
    public const int SampleBytes = 4096;

    /// <summary>Batches that are skipped at most between two looks.</summary>
    public const int SkipMax = 256;

    // Compressed data must be at least an eighth (12.5 %) smaller: LZ4 at 1 µs per 4 KiB costs more than the wire saves below that.
    private const int SavingShift = 3;

    private readonly byte[] _sample = new byte[SampleBytes];
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
    public bool TryCompress(ReadOnlySpan<byte> batch, Span<byte> destination, out int written)
    {
        written = 0;
        if (ShouldTry(batch) && Lz4.TryCompress(batch, destination[..Math.Min(destination.Length, Target(batch.Length))], out written))
        {
            _nextSkip = 1;
            Compressed++;
            return true;
        }

        written = 0;
        Left++;
        return false;
    }

    private bool ShouldTry(ReadOnlySpan<byte> batch)
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
        if (Lz4.TryCompress(head, _sample.AsSpan(0, Target(head.Length)), out _))
            return true;
        _skip = _nextSkip;
        _nextSkip = Math.Min(_nextSkip * 2, SkipMax);
        return false;
    }

    private static int Target(int length) => length - (length >> SavingShift);
}
