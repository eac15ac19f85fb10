using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Run;

/// <summary>One request of a client.</summary>
internal sealed class SimRequest
{
    /// <summary>Write, trim, zeroes, flush; null for a read.</summary>
    public ChangeKind? Kind { get; init; }

    /// <summary>The volume.</summary>
    public required int Volume { get; init; }

    /// <summary>The bytes, whole sectors.</summary>
    public ByteRange Range { get; init; }

    /// <summary>FUA and so on.</summary>
    public ChangeFlags Flags { get; init; }

    /// <summary>What a write fills its range with; zero for the others.</summary>
    public ulong Id { get; init; }

    /// <summary>When it was asked for, in the oracle's count.</summary>
    public long IssuedAt { get; set; }

    /// <summary>Whose it is.</summary>
    public required SimClient Client { get; init; }

    /// <summary>What the oracle knows of it; null for reads and flushes.</summary>
    public WriteRecord? Record { get; set; }

    /// <summary>When it was asked for the peer was there with protocol A or B: it may be answered before the peer has it, also if the peer is gone by then.</summary>
    public bool IsSentEarly { get; set; }

    /// <summary>The client's connection broke: it will never see the answer.</summary>
    public bool IsAbandoned { get; set; }

    /// <summary>Answered, or its node died.</summary>
    public bool IsOver { get; set; }

    /// <summary>The volume.</summary>
    public VolumeNr VolumeNr => new((ushort)Volume);

    /// <summary>As Core wants it.</summary>
    public ChangeHeader Header => new(Kind!.Value, VolumeNr, Range.Offset, Range.Length, Flags);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(Kind is { } kind ? kind.ToString().ToLowerInvariant() : "read")} {Volume}:{Range.Offset / Sectors.Bytes}+{Range.Length / Sectors.Bytes}{(Id > 0 ? $" #{Id}" : "")}{(Flags != ChangeFlags.None ? $" {Flags}" : "")}";
}
