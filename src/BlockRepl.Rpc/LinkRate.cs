namespace BlockRepl.Rpc;

/// <summary>What is known of a link's speed: the last measurement at full load, as long as it is fresh. Guarded by its owner.</summary>
internal struct LinkRate
{
    /// <summary>Milliseconds after which a measurement says nothing any more: a link may be another one by then.</summary>
    public const long FreshMs = 60_000;

    private long _bytesPerSecond;
    private long _seenMs;

    /// <summary>A measurement at full load, in bytes a second.</summary>
    public void See(long bytesPerSecond, long nowMs)
    {
        _bytesPerSecond = bytesPerSecond;
        _seenMs = nowMs;
    }

    /// <summary>Bytes a second; 0 if it is not known.</summary>
    public readonly long Known(long nowMs) => nowMs - _seenMs <= FreshMs ? _bytesPerSecond : 0;
}
