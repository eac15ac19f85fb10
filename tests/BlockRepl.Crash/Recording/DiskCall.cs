namespace BlockRepl.Crash.Recording;

/// <summary>One call of a disk, and when it was begun and answered, by the history's clock.</summary>
/// <param name="Kind">What the disk was told.</param>
/// <param name="Offset">First byte; for <see cref="DiskCallKind.Extend"/> the new size.</param>
/// <param name="Length">Bytes of it.</param>
/// <param name="Data">The bytes of a write, or the tail of an extension.</param>
/// <param name="IsForced">Stable when it is answered, whatever is flushed.</param>
/// <param name="Begun">When.</param>
internal sealed record DiskCall(DiskCallKind Kind, long Offset, long Length, byte[] Data, bool IsForced, long Begun)
{
    /// <summary>When it was answered; <see cref="long.MaxValue"/> if it never was.</summary>
    public long Answered { get; set; } = long.MaxValue;

    public override string ToString() => Kind switch
    {
        DiskCallKind.Flush => $"flush ({Begun}..{Answered})",
        DiskCallKind.Extend => $"extend to {Offset} ({Begun}..{Answered})",
        _ => $"{Kind}{(IsForced ? ", forced," : "")} of {Length} bytes at {Offset} ({Begun}..{Answered})",
    };
}
