using BlockRepl.Core;
using BlockRepl.Format;

namespace BlockRepl.Sim.Run;

/// <summary>Something that Core asked a disk for and that is not over.</summary>
internal sealed class DiskOperation(EffectKind kind, object? subject)
{
    /// <summary>What.</summary>
    public EffectKind Kind { get; } = kind;

    /// <summary>The request, the metadata write or what to grow; null for a flush or a note.</summary>
    public object? Subject { get; } = subject;

    /// <summary>A flush's or a growth's ticket.</summary>
    public ulong Ticket { get; init; }

    /// <summary>What a flush covers.</summary>
    public long FlushMark { get; init; }

    /// <summary>Who asked for a growth.</summary>
    public object? Asker { get; init; }

    /// <summary>The asker's link.</summary>
    public LinkId Link { get; init; }

    /// <summary>Flags by which a detached disk is to note that it may lack data.</summary>
    public SuperblockFlags Note { get; init; }

    /// <summary>The change or the read.</summary>
    public ChangeRequest Request => (ChangeRequest)Subject!;

    /// <summary>It goes to the metadata, one after the other.</summary>
    public bool IsOfMetadata => Note != 0 || Kind is EffectKind.WriteMetadata or EffectKind.GrowDisk;
}
