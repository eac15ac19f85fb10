using BlockRepl.Primitives;

namespace BlockRepl.Sim;

/// <summary>Something that Core asked a disk for and that is not over yet.</summary>
/// <param name="Kind">LocalChange, LocalFlush, ResyncRead, VerifyRead or WriteMetadata.</param>
/// <param name="Volume">The volume.</param>
/// <param name="Subject">The request or the metadata write; null for a flush.</param>
/// <param name="Ticket">A flush's ticket.</param>
/// <param name="FlushMark">What a flush covers.</param>
public sealed record PendingOperation(EffectKind Kind, VolumeNr Volume, object? Subject, ulong Ticket, long FlushMark)
{
    /// <summary>The change or the read.</summary>
    public ChangeRequest Request => (ChangeRequest)Subject!;

    /// <summary>The metadata write.</summary>
    public MetadataWrite Metadata => (MetadataWrite)Subject!;

    /// <summary>Who asked for a disk to be grown; null if it was this node.</summary>
    public object? Asker { get; init; }

    /// <summary>The asker's link.</summary>
    public LinkId Link { get; init; }

    /// <summary>Parts of a metadata write that are durable.</summary>
    public int PartsDone { get; set; }

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        EffectKind.LocalFlush => $"flush {Volume}",
        EffectKind.WriteMetadata => $"metadata {Volume}",
        EffectKind.SaveBlocks => $"save {Volume}",
        EffectKind.AttachDisk => $"attach {Volume}",
        EffectKind.GrowDisk => $"grow {Volume}",
        _ => $"{Kind} {Volume} {Request.Range} seq {Request.Sequence}",
    };
}
