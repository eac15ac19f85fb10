using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>The bodies of a resync's frames, incoming. Errors stay in the reader.</summary>
internal static class ResyncMessageReader
{
    public static BitmapPartMessage Bitmap(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong firstBlock = 0;
        var runs = new List<ulong>();
        bool last = false;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 2:
                    firstBlock = reader.UInt64("first_block", ProtocolLimits.BlocksMax);
                    break;
                case 3:
                    ReadRuns(ref reader, runs);
                    break;
                case 4:
                    last = reader.Bool("last");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        ulong end = firstBlock;
        foreach (ulong run in runs)
        {
            // Both are at most BlocksMax, so the sum cannot wrap before it is refused.
            end += run;
            if (end > ProtocolLimits.BlocksMax)
            {
                reader.Fail(FrameErrorCode.LimitExceeded, "blocks of a volume");
                break;
            }
        }

        return new BitmapPartMessage(nr, firstBlock, runs.ToArray(), last);
    }

    private static void ReadRuns(ref ProtoReader reader, List<ulong> runs)
    {
        if (reader.Type == WireType.Varint)
        {
            Add(ref reader, reader.UInt64("runs", ProtocolLimits.BlocksMax));
            return;
        }

        ReadOnlySpan<byte> packed = reader.Bytes("runs");
        var inner = new ProtoReader(packed, reader.Position - packed.Length);
        while (!inner.Failed && inner.Position < packed.Length)
        {
            ulong run = inner.Varint("runs");
            if (run > ProtocolLimits.BlocksMax)
                inner.Fail(FrameErrorCode.BadValue, "runs");
            Add(ref inner, run);
        }

        reader.Adopt(inner);

        void Add(ref ProtoReader from, ulong run)
        {
            if (runs.Count == ProtocolLimits.RunsMax)
                from.Fail(FrameErrorCode.LimitExceeded, "runs");
            else
                runs.Add(run);
        }
    }

    public static SyncBeginMessage SyncBegin(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong generation = 0;
        bool full = false;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                nr = PeerMessageReader.Nr(ref reader);
            else if (field == 2)
                generation = reader.Fixed64("sync_generation");
            else if (field == 3)
                full = reader.Bool("full");
            else
                reader.Skip();
        }

        return new SyncBeginMessage(nr, new GenerationId(generation), full);
    }

    public static SyncEndMessage SyncEnd(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong generation = 0;
        var history = ImmutableArray.CreateBuilder<GenerationId>();
        while (reader.Next(out uint field))
        {
            if (field == 1)
                nr = PeerMessageReader.Nr(ref reader);
            else if (field == 2)
                generation = reader.Fixed64("current_generation");
            else if (field == 3)
                PeerMessageReader.ReadHistory(ref reader, history);
            else
                reader.Skip();
        }

        return new SyncEndMessage(nr, new GenerationId(generation), history.ToImmutable());
    }

    public static PeerMessage Checkpoint(ref ProtoReader reader, FrameKind kind)
    {
        (VolumeNr nr, ulong id) = Volume(ref reader);
        return kind switch
        {
            FrameKind.SyncCheckpoint => new SyncCheckpointMessage(nr, id),
            FrameKind.SyncCheckpointDone => new SyncCheckpointDoneMessage(nr, id),
            _ => new SyncClearedMessage(nr, id),
        };
    }

    public static ResyncAckMessage Ack(ref ProtoReader reader)
    {
        (VolumeNr nr, ulong pieces) = Volume(ref reader);
        return new ResyncAckMessage(nr, pieces);
    }

    public static ResyncRequestMessage Request(ref ProtoReader reader)
    {
        ulong id = 0;
        VolumeNr nr = default;
        bool full = false, senderIsTarget = false;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    id = reader.UInt64("id");
                    break;
                case 2:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 3:
                    full = reader.Bool("full");
                    break;
                case 4:
                    senderIsTarget = reader.Bool("sender_is_target");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return new ResyncRequestMessage(id, nr, full, senderIsTarget);
    }

    public static ResyncReplyMessage Reply(ref ProtoReader reader)
    {
        ulong id = 0;
        bool granted = false;
        string reason = "";
        while (reader.Next(out uint field))
        {
            if (field == 1)
                id = reader.UInt64("id");
            else if (field == 2)
                granted = reader.Bool("granted");
            else if (field == 3)
                reason = reader.Text("reason");
            else
                reader.Skip();
        }

        return new ResyncReplyMessage(id, granted, reason);
    }

    public static ResyncHashesMessage Hashes(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong number = 0;
        long offset = 0, length = 0;
        byte[] hashes = [];
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 2:
                    number = reader.UInt64("number");
                    break;
                case 3:
                    offset = (long)reader.UInt64("offset", long.MaxValue);
                    break;
                case 4:
                    length = (long)reader.UInt64("length", (ulong)BlockHash.BlocksMax << Block.Shift, FrameErrorCode.LimitExceeded);
                    break;
                case 5:
                    hashes = reader.Bytes("hashes").ToArray();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (length == 0 || offset > long.MaxValue - length || (offset & (Block.Size - 1)) != 0)
            reader.Fail(FrameErrorCode.BadValue, "range");
        else if (hashes.Length != Block.CountFor(length) * BlockHash.Length)
            reader.Fail(FrameErrorCode.BadValue, "hashes");
        return new ResyncHashesMessage(nr, number, new ByteRange(offset, length), hashes);
    }

    public static ResyncDiffersMessage Differs(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong number = 0, different = 0;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                nr = PeerMessageReader.Nr(ref reader);
            else if (field == 2)
                number = reader.UInt64("number");
            else if (field == 3)
                different = reader.Fixed64("different");
            else
                reader.Skip();
        }

        return new ResyncDiffersMessage(nr, number, different);
    }

    /// <summary>One entry of a PeerStatus.</summary>
    public static void Status(ref ProtoReader reader, ImmutableArray<ResyncStatus>.Builder into)
    {
        ProtoReader inner = reader.Message("resync");
        VolumeNr nr = default;
        bool paused = false;
        Span<long> numbers = stackalloc long[5];
        while (inner.Next(out uint field))
        {
            if (field == 1)
                nr = PeerMessageReader.Nr(ref inner);
            else if (field == 2)
                paused = inner.Bool("paused");
            else if (field is >= 3 and <= 7)
                numbers[(int)field - 3] = (long)inner.UInt64("a resync's progress", long.MaxValue);
            else
                inner.Skip();
        }

        reader.Adopt(inner);
        if (into.Count == ProtocolLimits.VolumesMax)
            reader.Fail(FrameErrorCode.LimitExceeded, "resyncs");
        into.Add(new ResyncStatus(nr, paused, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]));
    }

    public static (VolumeNr Nr, ulong Id) Volume(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        ulong id = 0;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                nr = PeerMessageReader.Nr(ref reader);
            else if (field == 2)
                id = reader.UInt64("id");
            else
                reader.Skip();
        }

        return (nr, id);
    }
}
