namespace BlockRepl.Nbd;

/// <summary>
/// The single pass that decides whether a request may be carried out and with which error it is refused otherwise. What
/// passes it needs no further check of command, flags, range or size anywhere below.
/// </summary>
public static class NbdRequestValidator
{
    /// <summary>
    /// Checks in this order: known and announced command, flags, read-only, reserved fields, alignment, range, payload size.
    /// The first failure chooses the error (proto.md "Error values" and each request type's text).
    /// </summary>
    public static NbdError Validate(in NbdRequestHeader header, NbdSession session)
    {
        NbdTransmissionFlags can = session.Flags;
        NbdCommandFlags allowed = (can & NbdTransmissionFlags.SendForceUnitAccess) != 0
            ? NbdCommandFlags.ForceUnitAccess // proto.md: the server MUST accept it on every command once announced
            : NbdCommandFlags.None;
        bool isChange = false;
        bool isKnown = true;
        switch (header.Command)
        {
            case NbdCommand.Read:
                if ((can & NbdTransmissionFlags.SendDontFragment) != 0)
                    allowed |= NbdCommandFlags.DontFragment;
                break;
            case NbdCommand.Write:
                isChange = true;
                break;
            case NbdCommand.Flush:
                isKnown = (can & NbdTransmissionFlags.SendFlush) != 0;
                break;
            case NbdCommand.Trim:
                isChange = true;
                isKnown = (can & NbdTransmissionFlags.SendTrim) != 0;
                break;
            case NbdCommand.Cache:
                isKnown = (can & NbdTransmissionFlags.SendCache) != 0;
                break;
            case NbdCommand.WriteZeroes:
                isChange = true;
                isKnown = (can & NbdTransmissionFlags.SendWriteZeroes) != 0;
                allowed |= NbdCommandFlags.NoHole;
                if ((can & NbdTransmissionFlags.SendFastZero) != 0)
                    allowed |= NbdCommandFlags.FastZero;
                break;
            case NbdCommand.BlockStatus:
                isKnown = session.BaseAllocation;
                allowed |= NbdCommandFlags.RequestOne;
                break;
            default:
                isKnown = false;
                break;
        }

        if (!isKnown || (header.Flags & ~allowed) != 0)
            return NbdError.EINVAL;
        if (isChange && (can & NbdTransmissionFlags.ReadOnly) != 0)
            return NbdError.EPERM;
        if (header.Command == NbdCommand.Flush)
            return header.Offset == 0 && header.Length == 0 ? NbdError.Ok : NbdError.EINVAL; // proto.md: reserved, zero
        return ValidateRange(header, session.Info);
    }

    private static NbdError ValidateRange(in NbdRequestHeader header, NbdExportInfo info)
    {
        ulong mask = info.MinimumBlockBytes - 1;
        if (((header.Offset | header.Length) & mask) != 0)
            return NbdError.EINVAL;
        ulong size = (ulong)info.SizeBytes;
        // Subtraction, because offset + length may pass 2^64 (hard part 27).
        if (header.Offset > size || header.Length > size - header.Offset)
            return header.Command is NbdCommand.Write or NbdCommand.WriteZeroes ? NbdError.ENOSPC : NbdError.EINVAL;
        if (header.Command is NbdCommand.Read or NbdCommand.Write && header.Length > info.MaximumPayloadBytes)
            return NbdError.EINVAL;
        // A block status reply must hold at least one extent, and an extent is at least one byte long.
        if (header.Command == NbdCommand.BlockStatus && header.Length == 0)
            return NbdError.EINVAL;
        return NbdError.Ok;
    }
}
