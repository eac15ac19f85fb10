using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>A range that is read for a comparison. The edge fills <see cref="Digests"/>.</summary>
public sealed class VerifyChunk
{
    /// <summary>Bytes of one range: as many blocks as one answer has bits.</summary>
    public const int BytesMax = BlockDigest.BlocksMax * Block.Size;

    internal VerifyChunk(PeerVolume peerVolume, object job, ulong number, ByteRange range)
    {
        PeerVolume = peerVolume;
        Job = job;
        Number = number;
        Range = range;
        Digests = new byte[range.BlockCount * BlockDigest.Length];
    }

    /// <summary>The bytes; begins at a block.</summary>
    public ByteRange Range { get; }

    /// <summary>A digest a block (<see cref="BlockDigest"/>), filled by who reads.</summary>
    public byte[] Digests { get; }

    internal PeerVolume PeerVolume { get; }

    /// <summary>The <see cref="VerifyJob"/> or <see cref="VerifyTargetJob"/> that it belongs to.</summary>
    internal object Job { get; }

    internal ulong Number { get; }

    /// <summary>On the source: compared a second time, because it differed.</summary>
    internal bool IsRecheck { get; init; }

    /// <summary>On the target: the source's digests.</summary>
    internal byte[] Expected { get; init; } = [];
}
