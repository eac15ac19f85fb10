namespace BlockRepl.Protocol;

/// <summary>Why a frame was refused: the code, the field or rule, and how far into the frame. Allocates nothing.</summary>
/// <param name="Code">The kind of error.</param>
/// <param name="What">A constant that names the field or the rule.</param>
/// <param name="Position">Offset into the frame near which it was found.</param>
public readonly record struct FrameError(FrameErrorCode Code, string What, int Position)
{
    /// <inheritdoc/>
    public override string ToString() => Code switch
    {
        FrameErrorCode.None => "no error",
        FrameErrorCode.Truncated => $"the frame ends inside {What} (at byte {Position})",
        FrameErrorCode.Malformed => $"malformed frame: {What} (at byte {Position})",
        FrameErrorCode.BadValue => $"the frame has a bad {What} (at byte {Position})",
        FrameErrorCode.LimitExceeded => $"the frame exceeds the limit of {What} (at byte {Position})",
        FrameErrorCode.BadChecksum => "the frame's CRC-32C does not fit its bytes",
        FrameErrorCode.UnsupportedKind => "the frame is of a kind that this version does not know",
        FrameErrorCode.WrongKind => $"the frame is not {What}",
        _ => $"frame error {Code}",
    };
}
