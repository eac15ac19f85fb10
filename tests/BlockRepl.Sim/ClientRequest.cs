using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim;

/// <summary>A client's change and what became of it.</summary>
/// <param name="Node">The node that it was sent to.</param>
/// <param name="Volume">The volume.</param>
/// <param name="Kind">Write, trim, zeroes, flush.</param>
/// <param name="Range">The bytes.</param>
/// <param name="Id">What a write fills its range with.</param>
/// <param name="IssuedAt">The cluster's step when it was issued.</param>
public sealed record ClientRequest(string Node, VolumeNr Volume, ChangeKind Kind, ByteRange Range, ulong Id, long IssuedAt)
{
    /// <summary>The reply; null before there is one.</summary>
    public DiskResult? Result { get; set; }

    /// <summary>The cluster's step when it was answered, or when its node died.</summary>
    public long EndedAt { get; set; } = long.MaxValue;

    /// <summary>It was answered, one way or the other.</summary>
    public bool IsAnswered => Result is not null;

    /// <summary>It was answered with success.</summary>
    public bool IsAcknowledged => Result is { IsOk: true };
}
