using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Tests;

/// <summary>One message of each kind, with values at the edges, and frames of the data path.</summary>
internal static class Samples
{
    public static readonly HelloMessage Hello = new(
        1, 3, (ProtocolFeatures)0x8000000000000001, "alpha", "beta", "mail", 0x0123456789ABCDEF);

    private static readonly ImmutableArray<GenerationId> History =
        [new(0xFFFFFFFFFFFFFFFE), new(0x1234), GenerationId.JustCreated];

    public static readonly PeerMessage[] All =
    [
        Hello,
        new ResourceStateMessage(
            Role.Primary,
            WriteProtocol.C,
            [
                new(new(0), "cyrus-spool", 1L << 40, DiskState.UpToDate, new(0xAABBCCDDEEFF0010), new(0x10), History, VolumeFlags.CrashedPrimary | VolumeFlags.LostPower, 77) { BitmapSinceMs = 1_795_000_000_123, CapacityBytes = 1L << 41 },
                new(new(65535), "p\u00F6stgres", long.MaxValue, DiskState.Diskless, GenerationId.None, GenerationId.None, [], VolumeFlags.None, 0),
            ],
            new(ulong.MaxValue),
            true)
        {
            SplitBrainPolicies = "after-sb-0pri discard-node-beta",
        },
        new ResourceStateMessage(Role.Unknown, WriteProtocol.A, [], new(0), false),
        new VerdictMessage([new(new(0), -5, 17), new(new(3), int.MaxValue, 0), new(new(4), int.MinValue, uint.MaxValue)]),
        new BitmapPartMessage(new(2), 1UL << 50, [0, 1, 300, 1UL << 40, 5], true),
        new BitmapPartMessage(new(0), 0, [], false),
        new SyncBeginMessage(new(1), new(0xFEDCBA9876543210), true),
        new SyncBegunMessage(new(0)),
        new SyncCheckpointMessage(new(7), ulong.MaxValue),
        new SyncCheckpointDoneMessage(new(7), 1),
        new SyncClearedMessage(new(7), 128),
        new SyncEndMessage(new(1), new(0xFEDCBA9876543210), History),
        new SyncEndedMessage(new(300)),
        new PeerStatusMessage(Role.Secondary, [new(new(0), DiskState.Inconsistent, 1L << 51), new(new(1), DiskState.UpToDate, 0)]),
        new PeerStatusMessage(Role.Primary, [new(new(0), DiskState.UpToDate, 5)])
        {
            Resyncs = [new(new(0), true, long.MaxValue, 1L << 40, 3, 4, 5), new(new(9), false, 0, 0, 0, 0, 0)],
        },
        new ResyncAckMessage(new(3), ulong.MaxValue),
        new ResyncRequestMessage(7, new(3), true, true),
        new ResyncRequestMessage(ulong.MaxValue, new(0), false, false),
        new ResyncHashesMessage(new(1), 7, new(1L << 40, 2 * Block.Size), Data(2 * BlockHash.Length)),
        new ResyncHashesMessage(new(0), 0, new(0, 1), Data(BlockHash.Length)),
        new ResyncDiffersMessage(new(1), ulong.MaxValue, 1UL << 63),
        new ResyncReplyMessage(7, true, ""),
        new ResyncReplyMessage(8, false, "the peer is Primary"),
        new RoleRequestMessage(9, Role.Primary),
        new RoleRequestMessage(10, Role.Primary, Forced: true),
        new RoleReplyMessage(9, true, ""),
        new RoleReplyMessage(10, false, "the peer is Primary"),
        new RoleReplyMessage(11, false, "its data are older", IsOlder: true),
        new WriteFailedMessage(new(12345), new(1), new(1L << 40, 4096), 28),
        new ReadRequestMessage(ulong.MaxValue, new(3), new(1L << 40, 32 << 20), GenerationId.None),
        new ReadRequestMessage(1, new(0), default, new(0xFEDCBA9876543210)),
        new GoodbyeMessage(GoodbyeReason.SplitBrain, "both sides changed data"),
        new GoodbyeMessage(GoodbyeReason.RoleConflict, "the target is Primary"),
        new AliveMessage(new(1000)),
        new AckMessage(new(10), new(9), [new(new(0), new(8)), new(new(400), new(ulong.MaxValue))]),
        new AckMessage(new(0), new(0), []),
        new VerifyControlMessage(new(1), VerifyAction.Stop, ulong.MaxValue)
        {
            Range = new(1L << 40, 1L << 41), Repair = true, Flush = 3, Position = 1L << 41, Different = 5, Repaired = 4,
            Ranges = [new(0, 4096), new(1L << 40, 8192)], Text = "the disk failed",
        },
        new VerifyControlMessage(new(0), VerifyAction.Ask, 0),
        new BehindMessage(),
        new VerifyRangeMessage(new(2), 7, 300, new(1L << 40, 4097), Data(2 * BlockDigest.Length)),
        new VerifyResultMessage(new(2), 7, 300, 1UL << 63),
        new SettingsUpdateMessage(WriteProtocol.B),
        new ResizeRequestMessage(ulong.MaxValue, new(65535), true, long.MaxValue, true),
        new ResizeRequestMessage(1, new(0), false, 0, false),
        new ResizeReplyMessage(ulong.MaxValue, new(65535), long.MaxValue, true, ""),
        new ResizeReplyMessage(2, new(1), 0, false, "the disk has not grown"),
        new DetachRequestMessage(ulong.MaxValue, new(65535)),
        new DetachReplyMessage(7, true, ""),
        new DetachReplyMessage(8, false, "the only current copy"),
    ];

    public static readonly ChangeHeader[] Changes =
    [
        new(ChangeKind.Write, new(0), 0, 10, ChangeFlags.None),
        new(ChangeKind.Trim, new(1), 4096, 1L << 32, ChangeFlags.None),
        new(ChangeKind.Write, new(513), long.MaxValue - 5, 5, ChangeFlags.Fua),
        new(ChangeKind.Zeroes, new(0), 1L << 45, 65536, ChangeFlags.Fua | ChangeFlags.KeepAllocated),
        new(ChangeKind.Flush, new(1), 0, 0, ChangeFlags.None),
    ];

    public static byte[] Data(int length)
    {
        var data = new byte[length];
        for (int i = 0; i < length; i++)
            data[i] = (byte)((i * 7) + 3);
        return data;
    }

    public static byte[] ChangesFrame() => ChangesFrame(Changes, Data(15), CompressionKind.None, 15);

    public static byte[] ChangesFrame(ChangeHeader[] changes, byte[] data, CompressionKind compression, int rawLength, ulong first = 100)
    {
        var writer = new ChangesFrameWriter(new byte[ChangesFrameWriter.HeadLengthMax(changes.Length)]);
        writer.Begin(new(first));
        foreach (ChangeHeader change in changes)
            writer.Add(change);
        uint crc = Crc32C.Update(writer.Seal(compression, rawLength), data);
        return [.. writer.End(crc, data.Length), .. data];
    }

    public static byte[] ReadReplyFrame(ulong id, int errno, int length, bool zeroes, byte[] data, CompressionKind compression)
    {
        var writer = new ReadReplyFrameWriter(new byte[ReadReplyFrameWriter.HeadLengthMax]);
        uint crc = Crc32C.Update(writer.Begin(id, new DiskResult(errno), length, zeroes, compression), data);
        return [.. writer.End(crc, data.Length), .. data];
    }

    public static byte[] ResyncFrame(ByteRange range, bool zeroes, byte[] data, CompressionKind compression, ulong position = 0)
    {
        var writer = new ResyncDataFrameWriter(new byte[ResyncDataFrameWriter.HeadLengthMax]);
        uint crc = Crc32C.Update(writer.Begin(new(3), range, zeroes, compression, new(position)), data);
        return [.. writer.End(crc, data.Length), .. data];
    }

    /// <summary>A frame of every kind and shape.</summary>
    public static IEnumerable<byte[]> Frames()
    {
        foreach (PeerMessage message in All)
            yield return PeerMessageCodec.Encode(message);
        yield return ChangesFrame();
        yield return ChangesFrame([new(ChangeKind.Flush, new(1), 0, 0, ChangeFlags.None)], [], CompressionKind.None, 0);
        yield return ResyncFrame(new(1L << 40, 64), false, Data(64), CompressionKind.None);
        yield return ResyncFrame(new(0, 64), false, Data(20), CompressionKind.Lz4);
        yield return ResyncFrame(new(4096, 1L << 32), true, [], CompressionKind.None);
        yield return ResyncFrame(new(4096, 64), false, Data(64), CompressionKind.None, position: ulong.MaxValue);
        yield return ReadReplyFrame(7, 0, 64, false, Data(64), CompressionKind.None);
        yield return ReadReplyFrame(ulong.MaxValue, 0, 4096, false, Data(20), CompressionKind.Lz4);
        yield return ReadReplyFrame(8, 0, 4096, true, [], CompressionKind.None);
        yield return ReadReplyFrame(9, 5, 0, false, [], CompressionKind.None);
    }

    /// <summary>Reads a frame as a receiver does, checksum included.</summary>
    public static bool TryReceive(ReadOnlySpan<byte> frame, out FrameError error)
    {
        switch (PeerMessageCodec.PeekKind(frame))
        {
            case FrameKind.Changes:
                if (!ChangesFrameReader.TryRead(frame, out ChangesFrameReader changes, out error))
                    return false;
                foreach (ChangeHeader change in changes)
                    Assert.True(change.Offset >= 0 && change.Length >= 0 && change.Range.End >= 0);
                Assert.True(changes.DataOffset + changes.DataLength <= frame.Length);
                return changes.VerifyCrc() || Bad(out error);
            case FrameKind.ResyncData:
                if (!ResyncDataFrameReader.TryRead(frame, out ResyncDataFrameReader resync, out error))
                    return false;
                Assert.True(resync.DataOffset + resync.DataLength <= frame.Length);
                return resync.VerifyCrc() || Bad(out error);
            case FrameKind.Ignorable:
                return PeerMessageCodec.TryIgnore(frame, out error);
            case FrameKind.ReadReply:
                if (!ReadReplyFrameReader.TryRead(frame, out ReadReplyFrameReader reply, out error))
                    return false;
                Assert.True(reply.DataOffset + reply.DataLength <= frame.Length);
                return reply.VerifyCrc() || Bad(out error);
            default:
                return PeerMessageCodec.TryDecode(frame, out _, out error);
        }

        static bool Bad(out FrameError error)
        {
            error = new FrameError(FrameErrorCode.BadChecksum, "crc32c", 0);
            return false;
        }
    }
}
