using BlockRepl.Primitives;

namespace BlockRepl.Sim;

/// <summary>One read that a client asked for.</summary>
/// <param name="Volume">The volume.</param>
/// <param name="Range">Whole blocks.</param>
/// <param name="IssuedAt">The step in which it was asked for.</param>
public sealed record ClientRead(VolumeNr Volume, ByteRange Range, long IssuedAt)
{
    /// <summary>How it ended; null while it has not.</summary>
    public DiskResult? Result { get; set; }

    /// <summary>What was read; empty without success.</summary>
    public byte[] Data { get; set; } = [];

    /// <summary>The number that fills the first block.</summary>
    public ulong Id => ClusterHarness.IdIn(Data);
}
