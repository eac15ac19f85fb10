using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Reads an Ack frame where it lies, without allocation. Everything was checked when <see cref="TryRead"/> returned
/// true; <c>foreach</c> over it gives the stable marks.
/// </summary>
public ref struct AckFrameReader
{
    private ProtoReader _marks;

    /// <summary>Everything up to here has arrived.</summary>
    public SequenceNumber ReceivedSequence { get; private set; }

    /// <summary>Every write up to here is on the sender's disk, FUA writes stably.</summary>
    public SequenceNumber AppliedSequence { get; private set; }

    /// <summary>How many stable marks there are.</summary>
    public int StableCount { get; private set; }

    /// <summary>The mark that <see cref="MoveNext"/> found.</summary>
    public StableMark Current { get; private set; }

    /// <summary>Reads and checks a whole frame.</summary>
    public static bool TryRead(ReadOnlySpan<byte> frame, out AckFrameReader result, out FrameError error)
    {
        result = default;
        if (!FrameEnvelope.TryOpen(frame, out FrameKind kind, out ReadOnlySpan<byte> body, out int offset, out error))
            return false;
        var reader = new ProtoReader(body, offset);
        if (kind != FrameKind.Ack)
            reader.Fail(FrameErrorCode.WrongKind, "an Ack");
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    result.ReceivedSequence = new SequenceNumber(reader.UInt64("received_sequence"));
                    break;
                case 2:
                    result.AppliedSequence = new SequenceNumber(reader.UInt64("applied_sequence"));
                    break;
                case 3:
                    if (++result.StableCount > ProtocolLimits.VolumesMax)
                        reader.Fail(FrameErrorCode.LimitExceeded, "stable marks");
                    ReadMark(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        result._marks = new ProtoReader(body, offset);
        error = reader.Error;
        return !reader.Failed;
    }

    /// <summary>For <c>foreach</c>.</summary>
    public readonly AckFrameReader GetEnumerator() => this;

    /// <summary>Goes to the next stable mark.</summary>
    public bool MoveNext()
    {
        while (_marks.Next(out uint field))
        {
            if (field != 3)
            {
                _marks.Skip();
                continue;
            }

            Current = ReadMark(ref _marks);
            return true;
        }

        return false;
    }

    private static StableMark ReadMark(ref ProtoReader reader)
    {
        ProtoReader inner = reader.Message("stable");
        ushort nr = 0;
        ulong sequence = 0;
        while (inner.Next(out uint field))
        {
            if (field == 1)
                nr = (ushort)inner.UInt64("stable.nr", ushort.MaxValue);
            else if (field == 2)
                sequence = inner.UInt64("stable.sequence");
            else
                inner.Skip();
        }

        reader.Adopt(inner);
        return new StableMark(new VolumeNr(nr), new SequenceNumber(sequence));
    }
}
