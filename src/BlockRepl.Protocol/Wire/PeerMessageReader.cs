using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>The bodies of the control path's frames, incoming. Errors stay in the reader.</summary>
internal static class PeerMessageReader
{
    public static PeerMessage? ReadBody(ref ProtoReader reader, FrameKind kind) => kind switch
    {
        FrameKind.Hello => Hello(ref reader),
        FrameKind.Alive => new AliveMessage(new SequenceNumber(OnlyNumber(ref reader, "applied_sequence"))),
        FrameKind.ResourceState => ResourceStateReader.Read(ref reader),
        FrameKind.Verdict => Verdict(ref reader),
        FrameKind.BitmapPart => ResyncMessageReader.Bitmap(ref reader),
        FrameKind.SyncBegin => ResyncMessageReader.SyncBegin(ref reader),
        FrameKind.SyncBegun => new SyncBegunMessage(ResyncMessageReader.Volume(ref reader).Nr),
        FrameKind.SyncCheckpoint or FrameKind.SyncCheckpointDone or FrameKind.SyncCleared => ResyncMessageReader.Checkpoint(ref reader, kind),
        FrameKind.SyncEnd => ResyncMessageReader.SyncEnd(ref reader),
        FrameKind.SyncEnded => new SyncEndedMessage(ResyncMessageReader.Volume(ref reader).Nr),
        FrameKind.PeerStatus => Status(ref reader),
        FrameKind.RoleRequest => RoleRequest(ref reader),
        FrameKind.RoleReply => RoleReply(ref reader),
        FrameKind.WriteFailed => WriteFailed(ref reader),
        FrameKind.Goodbye => Goodbye(ref reader),
        FrameKind.ReadRequest => ReadRequestReader.Read(ref reader),
        FrameKind.ResyncAck => ResyncMessageReader.Ack(ref reader),
        FrameKind.ResyncRequest => ResyncMessageReader.Request(ref reader),
        FrameKind.ResyncReply => ResyncMessageReader.Reply(ref reader),
        FrameKind.ResyncHashes => ResyncMessageReader.Hashes(ref reader),
        FrameKind.ResyncDiffers => ResyncMessageReader.Differs(ref reader),
        FrameKind.VerifyControl => VerifyMessageCodec.Control(ref reader),
        FrameKind.VerifyRange => VerifyMessageCodec.RangeDigests(ref reader),
        FrameKind.VerifyResult => VerifyMessageCodec.Result(ref reader),
        FrameKind.Behind => VerifyMessageCodec.Behind(ref reader),
        FrameKind.SettingsUpdate => AdjustMessages.SettingsUpdate(ref reader),
        FrameKind.ResizeRequest => AdjustMessages.ResizeRequest(ref reader),
        FrameKind.ResizeReply => AdjustMessages.ResizeReply(ref reader),
        FrameKind.DetachRequest => AdjustMessages.DetachRequest(ref reader),
        FrameKind.DetachReply => AdjustMessages.DetachReply(ref reader),
        _ => null,
    };

    public static bool TryReadAck(ReadOnlySpan<byte> frame, out PeerMessage message, out FrameError error)
    {
        message = null!;
        if (!AckFrameReader.TryRead(frame, out AckFrameReader ack, out error))
            return false;
        var stable = ImmutableArray.CreateBuilder<StableMark>(ack.StableCount);
        foreach (StableMark mark in ack)
            stable.Add(mark);
        message = new AckMessage(ack.ReceivedSequence, ack.AppliedSequence, stable.MoveToImmutable());
        return true;
    }

    public static VolumeNr Nr(ref ProtoReader reader) => new((ushort)reader.UInt64("nr", ushort.MaxValue));

    public static Role ReadRole(ref ProtoReader reader) => (Role)reader.UInt64("role", (ulong)Role.Secondary);

    public static DiskState ReadDiskState(ref ProtoReader reader) =>
        (DiskState)reader.UInt64("disk_state", (ulong)DiskState.UpToDate);

    public static long ReadBlocks(ref ProtoReader reader) => (long)reader.UInt64("dirty_blocks", ProtocolLimits.BlocksMax);

    /// <summary>One field of packed or single generations.</summary>
    public static void ReadHistory(ref ProtoReader reader, ImmutableArray<GenerationId>.Builder history)
    {
        if (reader.Type == WireType.Fixed64)
        {
            Add(ref reader, reader.Fixed64("history"));
            return;
        }

        ReadOnlySpan<byte> packed = reader.Bytes("history");
        var inner = new ProtoReader(packed, reader.Position - packed.Length);
        while (!inner.Failed && inner.Position < packed.Length)
            Add(ref inner, inner.RawFixed64("history"));
        reader.Adopt(inner);

        void Add(ref ProtoReader from, ulong value)
        {
            if (history.Count == ProtocolLimits.HistoryMax)
                from.Fail(FrameErrorCode.LimitExceeded, "history");
            else if (value == 0)
                from.Fail(FrameErrorCode.BadValue, "history"); // No generation: a superblock could not hold it.
            else
                history.Add(new GenerationId(value));
        }
    }

    private static HelloMessage Hello(ref ProtoReader reader)
    {
        uint magic = 0, versionMin = 0, versionMax = 0;
        ulong features = 0, incarnation = 0;
        string node = "", peer = "", resource = "";
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    magic = reader.Fixed32("magic");
                    break;
                case 2:
                    versionMin = reader.UInt32("version_min");
                    break;
                case 3:
                    versionMax = reader.UInt32("version_max");
                    break;
                case 4:
                    features = reader.Fixed64("features");
                    break;
                case 5:
                    node = reader.Name("node");
                    break;
                case 6:
                    peer = reader.Name("peer");
                    break;
                case 7:
                    resource = reader.Name("resource");
                    break;
                case 8:
                    incarnation = reader.Fixed64("incarnation");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (magic != PeerMessageCodec.HelloMagic)
            reader.Fail(FrameErrorCode.BadValue, "magic (not a BlockRepl peer)");
        if (versionMin == 0 || versionMin > versionMax)
            reader.Fail(FrameErrorCode.BadValue, "range of versions");
        if (node.Length == 0 || peer.Length == 0 || resource.Length == 0)
            reader.Fail(FrameErrorCode.BadValue, "name (node, peer and resource must be there)");
        return new HelloMessage(versionMin, versionMax, (ProtocolFeatures)features, node, peer, resource, incarnation);
    }

    private static VerdictMessage Verdict(ref ProtoReader reader)
    {
        var volumes = ImmutableArray.CreateBuilder<VolumeVerdict>();
        while (reader.Next(out uint field))
        {
            if (field != 1)
            {
                reader.Skip();
                continue;
            }

            ProtoReader inner = reader.Message("volume");
            VolumeNr nr = default;
            int result = 0;
            uint rule = 0;
            while (inner.Next(out uint innerField))
            {
                if (innerField == 1)
                    nr = Nr(ref inner);
                else if (innerField == 2)
                    result = inner.SInt32("result");
                else if (innerField == 3)
                    rule = inner.UInt32("rule");
                else
                    inner.Skip();
            }

            reader.Adopt(inner);
            if (volumes.Count == ProtocolLimits.VolumesMax)
                reader.Fail(FrameErrorCode.LimitExceeded, "volumes");
            volumes.Add(new VolumeVerdict(nr, result, rule));
        }

        return new VerdictMessage(volumes.ToImmutable());
    }

    private static PeerStatusMessage Status(ref ProtoReader reader)
    {
        Role role = Role.Unknown;
        var volumes = ImmutableArray.CreateBuilder<PeerVolumeStatus>();
        var resyncs = ImmutableArray.CreateBuilder<ResyncStatus>();
        while (reader.Next(out uint field))
        {
            if (field == 1)
            {
                role = ReadRole(ref reader);
                continue;
            }

            if (field == 3)
            {
                ResyncMessageReader.Status(ref reader, resyncs);
                continue;
            }

            if (field != 2)
            {
                reader.Skip();
                continue;
            }

            ProtoReader inner = reader.Message("volume");
            VolumeNr nr = default;
            DiskState state = DiskState.Diskless;
            long dirty = 0;
            while (inner.Next(out uint innerField))
            {
                if (innerField == 1)
                    nr = Nr(ref inner);
                else if (innerField == 2)
                    state = ReadDiskState(ref inner);
                else if (innerField == 3)
                    dirty = ReadBlocks(ref inner);
                else
                    inner.Skip();
            }

            reader.Adopt(inner);
            if (volumes.Count == ProtocolLimits.VolumesMax)
                reader.Fail(FrameErrorCode.LimitExceeded, "volumes");
            volumes.Add(new PeerVolumeStatus(nr, state, dirty));
        }

        return new PeerStatusMessage(role, volumes.ToImmutable()) { Resyncs = resyncs.ToImmutable() };
    }

    private static RoleRequestMessage RoleRequest(ref ProtoReader reader)
    {
        ulong id = 0;
        Role role = Role.Unknown;
        bool forced = false;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                id = reader.UInt64("id");
            else if (field == 2)
                role = ReadRole(ref reader);
            else if (field == 3)
                forced = reader.Bool("forced");
            else
                reader.Skip();
        }

        return new RoleRequestMessage(id, role, forced);
    }

    private static RoleReplyMessage RoleReply(ref ProtoReader reader)
    {
        ulong id = 0;
        bool granted = false;
        string reason = "";
        bool isOlder = false;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                id = reader.UInt64("id");
            else if (field == 2)
                granted = reader.Bool("granted");
            else if (field == 3)
                reason = reader.Text("reason");
            else if (field == 4)
                isOlder = reader.Bool("is_older");
            else
                reader.Skip();
        }

        return new RoleReplyMessage(id, granted, reason, isOlder);
    }

    private static WriteFailedMessage WriteFailed(ref ProtoReader reader)
    {
        ulong sequence = 0, offset = 0, length = 0, errno = 0;
        VolumeNr nr = default;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    sequence = reader.UInt64("sequence");
                    break;
                case 2:
                    nr = Nr(ref reader);
                    break;
                case 3:
                    offset = reader.UInt64("offset", long.MaxValue);
                    break;
                case 4:
                    length = reader.UInt64("length", long.MaxValue);
                    break;
                case 5:
                    errno = reader.UInt64("errno", 4095);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (offset > long.MaxValue - length)
            reader.Fail(FrameErrorCode.BadValue, "range");
        if (errno == 0)
            reader.Fail(FrameErrorCode.BadValue, "errno");
        return new WriteFailedMessage(
            new SequenceNumber(sequence), nr, new ByteRange((long)offset, (long)length), (int)errno);
    }

    private static GoodbyeMessage Goodbye(ref ProtoReader reader)
    {
        uint reason = 0;
        string detail = "";
        while (reader.Next(out uint field))
        {
            if (field == 1)
                reason = reader.UInt32("reason");
            else if (field == 2)
                detail = reader.Text("detail");
            else
                reader.Skip();
        }

        // A later version's reason is still a goodbye.
        var known = reason <= (uint)GoodbyeReason.RoleConflict ? (GoodbyeReason)reason : GoodbyeReason.Unspecified;
        return new GoodbyeMessage(known, detail);
    }

    private static ulong OnlyNumber(ref ProtoReader reader, string what)
    {
        ulong value = 0;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                value = reader.UInt64(what);
            else
                reader.Skip();
        }

        return value;
    }
}
