using BlockRepl.Primitives;
using BlockRepl.Protocol.Wire;

namespace BlockRepl.Protocol.Tests;

/// <summary>Frames that no honest peer sends (G10, G14).</summary>
public class HostileFrameTests
{
    [Fact]
    public void Every_sample_is_accepted()
    {
        foreach (byte[] frame in Samples.Frames())
            Assert.True(Samples.TryReceive(frame, out FrameError error), $"{PeerMessageCodec.PeekKind(frame)}: {error}");
    }

    [Fact]
    public void Truncation_at_every_byte_is_refused()
    {
        foreach (byte[] frame in Samples.Frames())
        {
            for (int length = 0; length < frame.Length; length++)
            {
                Assert.False(Samples.TryReceive(frame.AsSpan(0, length), out FrameError error), $"{PeerMessageCodec.PeekKind(frame)} cut at {length}");
                Assert.NotEqual(FrameErrorCode.None, error.Code);
            }
        }
    }

    [Fact]
    public void A_byte_behind_the_end_is_refused()
    {
        foreach (byte[] frame in Samples.Frames())
            Assert.False(Samples.TryReceive([.. frame, 0x08], out _), $"{PeerMessageCodec.PeekKind(frame)}");
    }

    [Fact]
    public void G10_every_single_bit_flip_is_found()
    {
        foreach (byte[] frame in Samples.Frames())
        {
            FrameKind kind = PeerMessageCodec.PeekKind(frame);
            for (int bit = 0; bit < frame.Length * 8; bit++)
            {
                frame[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.False(Samples.TryReceive(frame, out _), $"{kind} with bit {bit} flipped");
                frame[bit / 8] ^= (byte)(1 << (bit % 8));
            }
        }
    }

    [Fact]
    public void Random_mutations_never_throw_and_never_allocate_much()
    {
        var random = new Random(20261122);
        byte[][] frames = [.. Samples.Frames()];
        for (int round = 0; round < 60_000; round++)
        {
            byte[] frame = [.. frames[random.Next(frames.Length)]];
            int mutations = random.Next(1, 6);
            for (int i = 0; i < mutations; i++)
                frame[random.Next(frame.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0)
                frame = frame[..random.Next(frame.Length)];
            else if (random.Next(2) == 0)
                frame = Reseal(frame);

            long before = GC.GetAllocatedBytesForCurrentThread();
            Samples.TryReceive(frame, out _);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 * 1024);
        }
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(4711);
        var buffer = new byte[4096];
        for (int round = 0; round < 60_000; round++)
        {
            Span<byte> frame = buffer.AsSpan(0, random.Next(64));
            random.NextBytes(frame);
            if (frame.Length > 2)
            {
                frame[0] = (byte)((random.Next(1, 23) << 3) | 2);
                frame[1] = (byte)(frame.Length - 2);
            }

            Samples.TryReceive(frame, out _);
        }
    }

    /// <summary>G14: a history is taken over into the superblock, which cannot hold "no generation"; the node that tried ended with a bug.</summary>
    [Fact]
    public void A_history_with_no_generation_in_it_is_refused()
    {
        PeerMessage[] wrong =
        [
            new SyncEndMessage(new(1), new(0x10), [new(0x20), GenerationId.None]),
            new ResourceStateMessage(Role.Secondary, WriteProtocol.C, [new(new(0), "v", 4096, DiskState.UpToDate, new(0x10), GenerationId.None, [GenerationId.None], VolumeFlags.None, 0)], new(0), false),
        ];
        foreach (PeerMessage message in wrong)
        {
            Assert.False(PeerMessageCodec.TryDecode(PeerMessageCodec.Encode(message), out _, out FrameError error), $"{message.Kind} was taken");
            Assert.Equal(FrameErrorCode.BadValue, error.Code);
        }
    }

    [Fact]
    public void G10_a_frame_of_an_unknown_kind_is_dropped_only_if_its_checksum_fits()
    {
        foreach (uint kind in new uint[] { 64, 2046 })
        {
            byte[] frame = Seal(kind, [1, 2, 3]);
            Assert.Equal(FrameKind.Ignorable, PeerMessageCodec.PeekKind(frame));
            Assert.True(PeerMessageCodec.TryIgnore(frame, out _));
            for (int bit = 0; bit < frame.Length * 8; bit++)
            {
                frame[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.False(Samples.TryReceive(frame, out _), $"bit {bit} flipped");
                frame[bit / 8] ^= (byte)(1 << (bit % 8));
            }

            Assert.False(PeerMessageCodec.TryIgnore(frame.AsSpan(0, frame.Length - ProtocolLimits.FrameCrcBytes), out FrameError error));
            Assert.Equal(FrameErrorCode.BadChecksum, error.Code);
        }
    }

    [Fact]
    public void Unknown_kinds_are_told_apart()
    {
        Assert.Equal(FrameKind.Ignorable, PeerMessageCodec.PeekKind(Body(64)));
        Assert.Equal(FrameKind.Ignorable, PeerMessageCodec.PeekKind(Body(2046)));
        Assert.Equal(FrameKind.Unsupported, PeerMessageCodec.PeekKind(Body(62)));
        Assert.Equal(FrameKind.Unsupported, PeerMessageCodec.PeekKind(Body(63)));
        Assert.Equal(FrameKind.Malformed, PeerMessageCodec.PeekKind(Body(2048)));
        Assert.Equal(FrameKind.Malformed, PeerMessageCodec.PeekKind([]));
        Assert.Equal(FrameKind.Malformed, PeerMessageCodec.PeekKind([0x08, 1]));
        Assert.False(PeerMessageCodec.TryDecode(Body(62), out _, out FrameError error));
        Assert.Equal(FrameErrorCode.UnsupportedKind, error.Code);

        static byte[] Body(uint number)
        {
            var writer = new ProtoWriter(new byte[16]);
            writer.Tag(number, WireType.Bytes);
            writer.Varint(0);
            return writer.Written.ToArray();
        }
    }

    [Fact]
    public void Unknown_fields_are_skipped_up_to_a_limit()
    {
        Assert.True(PeerMessageCodec.TryDecode(AliveWith(ProtocolLimits.UnknownFieldsMax), out PeerMessage message, out FrameError error), error.ToString());
        Assert.Equal(new AliveMessage(new(5)), message);
        Assert.False(PeerMessageCodec.TryDecode(AliveWith(ProtocolLimits.UnknownFieldsMax + 1), out _, out error));
        Assert.Equal(FrameErrorCode.LimitExceeded, error.Code);

        static byte[] AliveWith(int unknown)
        {
            var body = new List<byte> { 0x08, 5 };
            for (int i = 0; i < unknown; i++)
                body.AddRange([0x78, 1]);
            return Seal(5, [.. body]);
        }
    }

    [Fact]
    public void A_second_body_is_refused()
    {
        byte[] two = [0x2A, 0, 0x2A, 0];
        Assert.False(PeerMessageCodec.TryDecode([.. two, .. Checksum(two)], out _, out FrameError error));
        Assert.Equal("a second body", error.What);
    }

    public static TheoryData<string, byte[]> Lies()
    {
        var data = new TheoryData<string, byte[]>
        {
            { "magic", Seal(1, [0x0D, 1, 2, 3, 4, 0x10, 1, 0x18, 1, 0x2A, 1, 65, 0x32, 1, 66, 0x3A, 1, 67]) },
            { "node", Seal(1, [0x0D, 0x50, 0x45, 0x52, 0x42, 0x10, 1, 0x18, 1, 0x2A, 0, 0x32, 1, 66, 0x3A, 1, 67]) },
            { "role", Seal(16, [0x08, 3]) },
            { "disk_state", Seal(16, [0x12, 2, 0x10, 9]) },
            { "nr", Seal(10, [0x08, 0x80, 0x80, 4]) },
            { "errno", Seal(19, [0x08, 1]) },
            { "protocol", Seal(6, [0x08, 1, 0x10, 4]) },
            { "runs", Seal(8, [0x1A, 9, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]) },
            { "length of data", Samples.ChangesFrame([new(ChangeKind.Write, new(0), 0, 10, 0)], new byte[9], CompressionKind.None, 10) },
            { "length of data", Samples.ResyncFrame(new(0, 64), false, new byte[64], CompressionKind.Lz4) },
        };
        return data;
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_value_out_of_range_is_named(string what, byte[] frame)
    {
        Assert.False(Samples.TryReceive(frame, out FrameError error));
        Assert.Contains(what, error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Counts_are_limited()
    {
        byte[] tooManyVolumes = Seal(4 - 1, [.. Enumerable.Repeat<byte[]>([0x1A, 0], ProtocolLimits.VolumesMax + 1).SelectMany(b => b)]);
        AssertLimit(tooManyVolumes, "stable marks");
        AssertLimit(Seal(8, [0x1A, 0x81, 0x80, 1, .. new byte[ProtocolLimits.RunsMax + 1]]), "runs");
        AssertLimit(Seal(14, [0x1A, 0x88, 2, .. Enumerable.Repeat<byte>(1, (ProtocolLimits.HistoryMax + 1) * 8)]), "history");
        AssertLimit(Seal(17, [.. Enumerable.Repeat<byte[]>([0x78, 0], 65).SelectMany(b => b)]), "unknown fields");

        static void AssertLimit(byte[] frame, string what)
        {
            Assert.False(Samples.TryReceive(frame, out FrameError error));
            Assert.Equal((FrameErrorCode.LimitExceeded, what), (error.Code, error.What));
        }
    }

    [Fact]
    public void Changes_over_their_limits_are_refused()
    {
        byte[] many = new byte[2 + (2 * (ProtocolLimits.ChangesMax + 1))];
        (many[0], many[1]) = (0x08, 1);
        for (int i = 2; i < many.Length; i += 2)
            many[i] = 0x12;
        Refused(many, "changes");
        Refused([0x08, 1], "number of changes");
        Refused([0x12, 2, 0x08, 3], "first_sequence");
        Refused([0x08, 1, 0x12, 4, 0x08, 3, 0x20, 1], "range of a flush");
        Refused([0x08, 1, 0x12, 2, 0x28, 8], "change.flags");
        Refused([0x08, 1, 0x12, 5, 0x20, 0x81, 0x80, 0x80, 0x10], "change.length of a write");
        Refused([0x08, 1, 0x12, 14, 0x08, 1, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x20, 1], "change.offset");

        static void Refused(byte[] body, string what)
        {
            byte[] frame = [0x12, .. Varint(body.Length), .. body];
            Assert.False(ChangesFrameReader.TryRead(frame, out _, out FrameError error));
            Assert.Equal(what, error.What);
        }
    }

    [Fact]
    public void Texts_are_cut_by_the_sender_and_cleaned_by_the_receiver()
    {
        string text = new string('\u00E4', 511) + "\u20ACx\n";
        byte[] frame = PeerMessageCodec.Encode(new GoodbyeMessage(GoodbyeReason.Refused, text));
        Assert.True(PeerMessageCodec.TryDecode(frame, out PeerMessage message, out FrameError error), error.ToString());
        // 1022 bytes of two-byte characters; the euro sign needs three, so the text ends before it.
        Assert.Equal(new string('\u00E4', 511), ((GoodbyeMessage)message).Detail);

        Assert.True(PeerMessageCodec.TryDecode(PeerMessageCodec.Encode(new GoodbyeMessage(0, "a\nb\u001B[31m")), out message, out _));
        Assert.Equal("a b [31m", ((GoodbyeMessage)message).Detail);
    }

    /// <summary>Makes the checksum of a mutated frame right again, so that the parser behind it is reached.</summary>
    private static byte[] Reseal(byte[] frame)
    {
        if (frame.Length <= ProtocolLimits.FrameCrcBytes || PeerMessageCodec.PeekKind(frame) is FrameKind.Changes or FrameKind.ResyncData)
            return frame;
        byte[] covered = frame[..^ProtocolLimits.FrameCrcBytes];
        return [.. covered, .. Checksum(covered)];
    }

    private static byte[] Seal(uint kind, byte[] body)
    {
        byte[] covered = [.. Varint((int)((kind << 3) | 2)), .. Varint(body.Length), .. body];
        return [.. covered, .. Checksum(covered)];
    }

    private static byte[] Checksum(byte[] covered)
    {
        var writer = new ProtoWriter(new byte[8]);
        writer.Fixed32(ProtocolLimits.FrameCrcField, Crc32C.Compute(covered));
        return writer.Written.ToArray();
    }

    private static byte[] Varint(int value)
    {
        var writer = new ProtoWriter(new byte[8]);
        writer.Varint((ulong)value);
        return writer.Written.ToArray();
    }
}
