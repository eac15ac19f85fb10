using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Tests.Recorded;

/// <summary>
/// What the frames in <c>v1/frames.txt</c> mean. The bytes were written by the last build that knew version 1 alone: if a test over them fails, the change is wrong, not the recording (G15).
/// </summary>
internal static class RecordedFrames
{
    private static readonly ImmutableArray<GenerationId> History = [new(0xFFFFFFFFFFFFFFFE), new(0x1234), GenerationId.JustCreated];

    /// <summary>The messages of the control path, by the name that the recording gives them.</summary>
    public static readonly (string Name, PeerMessage Message)[] Messages =
    [
        ("Hello", new HelloMessage(1, 1, ProtocolFeatures.Lz4, "alpha", "beta", "mail", 0x0123456789ABCDEF)),
        ("ResourceState", new ResourceStateMessage(
            Role.Primary,
            WriteProtocol.C,
            [
                new(new(0), "cyrus-spool", 1L << 40, DiskState.UpToDate, new(0xAABBCCDDEEFF0010), new(0x10), History, VolumeFlags.CrashedPrimary | VolumeFlags.LostPower, 77),
                new(new(1), "postgres", 1L << 20, DiskState.Inconsistent, GenerationId.JustCreated, GenerationId.None, [], VolumeFlags.FullSyncNeeded, 256),
                new(new(2), "spare", 0, DiskState.Diskless, GenerationId.None, GenerationId.None, [], VolumeFlags.None, 0),
            ],
            new(1001),
            true)),
        ("ResourceState-empty", new ResourceStateMessage(Role.Unknown, WriteProtocol.A, [], new(0), false)),
        ("Verdict", new VerdictMessage([new(new(0), -1, 50), new(new(1), 2, 30), new(new(2), 0, 0)])),
        ("BitmapPart", new BitmapPartMessage(new(2), 1UL << 40, [0, 1, 300, 1UL << 30, 5], false)),
        ("BitmapPart-last", new BitmapPartMessage(new(0), 0, [256], true)),
        ("SyncBegin", new SyncBeginMessage(new(1), new(0xFEDCBA9876543210), true)),
        ("SyncBegun", new SyncBegunMessage(new(1))),
        ("SyncCheckpoint", new SyncCheckpointMessage(new(1), 7)),
        ("SyncCheckpointDone", new SyncCheckpointDoneMessage(new(1), 7)),
        ("SyncCleared", new SyncClearedMessage(new(1), 7)),
        ("SyncEnd", new SyncEndMessage(new(1), new(0xFEDCBA9876543210), History)),
        ("SyncEnded", new SyncEndedMessage(new(1))),
        ("PeerStatus", new PeerStatusMessage(Role.Secondary, [new(new(0), DiskState.Inconsistent, 1L << 30), new(new(1), DiskState.UpToDate, 0)])),
        ("RoleRequest", new RoleRequestMessage(9, Role.Primary)),
        ("RoleReply-granted", new RoleReplyMessage(9, true, "")),
        ("RoleReply-refused", new RoleReplyMessage(10, false, "alpha is Primary")),
        ("WriteFailed", new WriteFailedMessage(new(12345), new(1), new(1L << 40, 4096), 28)),
        ("Goodbye", new GoodbyeMessage(GoodbyeReason.SplitBrain, "both sides changed data")),
        ("Alive", new AliveMessage(new(1000))),
        ("Ack", new AckMessage(new(10), new(9), [new(new(0), new(8)), new(new(400), new(1UL << 60))])),
    ];

    /// <summary>The changes in the recorded Changes frame.</summary>
    public static readonly ChangeHeader[] Changes =
    [
        new(ChangeKind.Write, new(0), 0, 10, ChangeFlags.None),
        new(ChangeKind.Trim, new(1), 4096, 1L << 32, ChangeFlags.None),
        new(ChangeKind.Write, new(513), 1L << 50, 5, ChangeFlags.Fua),
        new(ChangeKind.Zeroes, new(0), 1L << 45, 65536, ChangeFlags.Fua | ChangeFlags.KeepAllocated),
        new(ChangeKind.Flush, new(1), 0, 0, ChangeFlags.Background),
    ];

    /// <summary>The frames of the data path, as this build encodes them.</summary>
    public static IEnumerable<(string Name, byte[] Frame)> DataFrames()
    {
        yield return ("Changes", ChangesFrame(Changes, Data(15)));
        yield return ("Changes-flush", ChangesFrame([new(ChangeKind.Flush, new(1), 0, 0, ChangeFlags.None)], []));
        yield return ("ResyncData", ResyncFrame(new(1L << 40, 64), false, Data(64)));
        yield return ("ResyncData-zeroes", ResyncFrame(new(4096, 1L << 32), true, []));
    }

    /// <summary>The payload of a data frame.</summary>
    public static byte[] Data(int length)
    {
        var data = new byte[length];
        for (int i = 0; i < length; i++)
            data[i] = (byte)((i * 7) + 3);
        return data;
    }

    private static byte[] ChangesFrame(ChangeHeader[] changes, byte[] data)
    {
        var writer = new ChangesFrameWriter(new byte[ChangesFrameWriter.HeadLengthMax(changes.Length)]);
        writer.Begin(new(100));
        foreach (ChangeHeader change in changes)
            writer.Add(change);
        uint crc = Crc32C.Update(writer.Seal(CompressionKind.None, data.Length), data);
        return [.. writer.End(crc, data.Length), .. data];
    }

    private static byte[] ResyncFrame(ByteRange range, bool zeroes, byte[] data)
    {
        var writer = new ResyncDataFrameWriter(new byte[ResyncDataFrameWriter.HeadLengthMax]);
        uint crc = Crc32C.Update(writer.Begin(new(3), range, zeroes, CompressionKind.None), data);
        return [.. writer.End(crc, data.Length), .. data];
    }
}
