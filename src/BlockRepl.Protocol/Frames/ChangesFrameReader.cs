using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol;

/// <summary>
/// Reads a Changes frame where it lies, without allocation. When <see cref="TryRead"/> returned true, every length, offset and
/// count was checked; <see cref="VerifyCrc"/> remains, which reads all of the data. <c>foreach</c> gives the changes.
/// </summary>
public ref struct ChangesFrameReader
{
    private DataFrameFields _fields;
    private ProtoReader _changes;

    /// <summary>Number of the first change.</summary>
    public SequenceNumber FirstSequence { get; private set; }

    /// <summary>Number of the last change.</summary>
    public readonly SequenceNumber LastSequence => new(FirstSequence.Value + (ulong)(Count - 1));

    /// <summary>How many changes there are; at least one.</summary>
    public int Count { get; private set; }

    /// <summary>How the data are compressed.</summary>
    public readonly CompressionKind Compression => _fields.Compression;

    /// <summary>Bytes of the data before compression: the sum of the writes' lengths.</summary>
    public int RawLength { get; private set; }

    /// <summary>Where the data begin in the frame.</summary>
    public readonly int DataOffset => _fields.BodyOffset + _fields.DataStart;

    /// <summary>Bytes of the data in the frame.</summary>
    public readonly int DataLength => _fields.DataLength;

    /// <summary>The change that <see cref="MoveNext"/> found.</summary>
    public ChangeHeader Current { get; private set; }

    /// <summary>Reads and checks a whole frame, except for its checksum.</summary>
    public static bool TryRead(ReadOnlySpan<byte> frame, out ChangesFrameReader result, out FrameError error)
    {
        result = default;
        if (!FrameEnvelope.TryOpen(frame, out FrameKind kind, out ReadOnlySpan<byte> body, out int offset, out error))
            return false;
        var reader = new ProtoReader(body, offset);
        var fields = new DataFrameFields(body, offset);
        if (kind != FrameKind.Changes)
            reader.Fail(FrameErrorCode.WrongKind, "a Changes");
        long payload = 0;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    result.FirstSequence = new SequenceNumber(reader.UInt64("first_sequence"));
                    break;
                case 2:
                    if (++result.Count > ProtocolLimits.ChangesMax)
                        reader.Fail(FrameErrorCode.LimitExceeded, "changes");
                    payload += ReadChange(ref reader).PayloadLength;
                    if (payload > ProtocolLimits.RawBytesMax)
                        reader.Fail(FrameErrorCode.LimitExceeded, "payload");
                    break;
                case 3:
                    fields.ReadCompression(ref reader);
                    break;
                case 4:
                    result.RawLength = (int)reader.UInt64(
                        "raw_length", ProtocolLimits.RawBytesMax, FrameErrorCode.LimitExceeded);
                    break;
                case 5:
                    fields.ReadCrc(ref reader);
                    break;
                case DataFrame.DataField:
                    fields.ReadData(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (result.Count == 0)
            reader.Fail(FrameErrorCode.BadValue, "number of changes");
        if (result.FirstSequence.Value == 0 || result.FirstSequence.Value > ulong.MaxValue - ProtocolLimits.ChangesMax)
            reader.Fail(FrameErrorCode.BadValue, "first_sequence");
        if (result.RawLength != payload)
            reader.Fail(FrameErrorCode.BadValue, "raw_length");
        fields.CheckLengths(ref reader, result.RawLength);
        result._fields = fields;
        result._changes = new ProtoReader(body, offset);
        error = reader.Error;
        return !reader.Failed;
    }

    /// <summary>Whether head and data are what was sent (G10).</summary>
    public readonly bool VerifyCrc() => _fields.VerifyCrc();

    /// <summary>For <c>foreach</c>.</summary>
    public readonly ChangesFrameReader GetEnumerator() => this;

    /// <summary>Goes to the next change.</summary>
    public bool MoveNext()
    {
        while (_changes.Next(out uint field))
        {
            // The data are the last field, and no change is behind them.
            if (field == DataFrame.DataField)
                return false;
            if (field == 2)
            {
                Current = ReadChange(ref _changes);
                return true;
            }

            _changes.Skip();
        }

        return false;
    }

    private static ChangeHeader ReadChange(ref ProtoReader reader)
    {
        ProtoReader inner = reader.Message("change");
        ulong kind = 0, nr = 0, offset = 0, length = 0, flags = 0;
        while (inner.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    kind = inner.UInt64("change.kind", (ulong)ChangeKind.Flush);
                    break;
                case 2:
                    nr = inner.UInt64("change.nr", ushort.MaxValue);
                    break;
                case 3:
                    offset = inner.UInt64("change.offset", long.MaxValue);
                    break;
                case 4:
                    length = inner.UInt64("change.length", (ulong)ProtocolLimits.RangeBytesMax, FrameErrorCode.LimitExceeded);
                    break;
                case 5:
                    flags = inner.UInt64("change.flags", (ulong)(ChangeFlags.Fua | ChangeFlags.KeepAllocated | ChangeFlags.Background));
                    break;
                default:
                    inner.Skip();
                    break;
            }
        }

        if (offset > long.MaxValue - length)
            inner.Fail(FrameErrorCode.BadValue, "change.offset");
        if ((ChangeKind)kind == ChangeKind.Write && length > ProtocolLimits.WriteBytesMax)
            inner.Fail(FrameErrorCode.LimitExceeded, "change.length of a write");
        if ((ChangeKind)kind == ChangeKind.Flush && (offset | length | (flags & ~(ulong)ChangeFlags.Background)) != 0)
            inner.Fail(FrameErrorCode.BadValue, "range of a flush");
        reader.Adopt(inner);
        if (inner.Failed)
            return default;
        return new ChangeHeader((ChangeKind)kind, new VolumeNr((ushort)nr), (long)offset, (long)length, (ChangeFlags)flags);
    }
}
