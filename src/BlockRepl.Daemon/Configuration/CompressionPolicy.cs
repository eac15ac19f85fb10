namespace BlockRepl.Daemon.Configuration;

/// <summary>What is done to block data before it goes over the link.</summary>
public enum CompressionPolicy
{
    /// <summary>Data goes as it is.</summary>
    Off,

    /// <summary>Every batch is compressed with LZ4; what does not shrink still goes as it is.</summary>
    Lz4,

    /// <summary>LZ4 where a sample shrinks and the link is slower than the processor.</summary>
    Auto,
}
