using Blockrepl.V1;
using BlockRepl.Primitives;
using Google.Protobuf;

namespace BlockRepl.Protocol.Tests;

/// <summary>The hand-written codec against a stock protobuf library, both ways.</summary>
public class ReferenceTests
{
    public static TheoryData<int> Messages() => [.. Enumerable.Range(0, Samples.All.Length)];

    [Theory]
    [MemberData(nameof(Messages))]
    public void Message_has_the_bytes_that_protobuf_writes_and_comes_back(int index)
    {
        PeerMessage message = Samples.All[index];
        byte[] ours = PeerMessageCodec.Encode(message);
        Assert.True(ours.Length <= PeerMessageCodec.EncodedLengthMax(message));

        Frame frame = Frame.Parser.ParseFrom(ours);
        Assert.Equal((int)message.Kind, (int)frame.BodyCase);
        Assert.Equal(ours, frame.ToByteArray());
        Assert.Equal(Crc32C.Compute(ours.AsSpan(0, ours.Length - ProtocolLimits.FrameCrcBytes)), frame.Crc32C);

        Assert.True(PeerMessageCodec.TryDecode(ours, out PeerMessage back, out FrameError error), error.ToString());
        Assert.Equal(message.GetType(), back.GetType());
        Assert.Equal(ours, PeerMessageCodec.Encode(back));
    }

    [Fact]
    public void Every_kind_has_a_sample() => Assert.Equal(
        Enum.GetValues<FrameKind>().Except([FrameKind.Malformed, FrameKind.Ignorable, FrameKind.Unsupported, FrameKind.Changes, FrameKind.ResyncData, FrameKind.ReadReply]),
        Samples.All.Select(m => m.Kind).Distinct().Order());

    [Fact]
    public void Hello_decodes_to_its_fields()
    {
        Assert.True(PeerMessageCodec.TryDecode(PeerMessageCodec.Encode(Samples.Hello), out PeerMessage back, out _));
        Assert.Equal(Samples.Hello, back);
    }

    [Fact]
    public void ResourceState_decodes_to_its_fields()
    {
        var message = (ResourceStateMessage)Samples.All[1];
        Assert.True(PeerMessageCodec.TryDecode(PeerMessageCodec.Encode(message), out PeerMessage read, out _));
        var back = (ResourceStateMessage)read;
        Assert.Equal((message.Role, message.Protocol, message.NextSequence, true), (back.Role, back.Protocol, back.NextSequence, back.DiscardMyData));
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(message.Volumes[i].History.ToArray(), back.Volumes[i].History.ToArray());
            Assert.Equal(message.Volumes[i] with { History = [] }, back.Volumes[i] with { History = [] });
        }

        Frame frame = Frame.Parser.ParseFrom(PeerMessageCodec.Encode(message));
        Assert.Equal("cyrus-spool", frame.State.Volumes[0].Name);
        Assert.Equal(message.Volumes[0].History.Select(g => g.Value), frame.State.Volumes[0].History);
        Assert.Equal(3u, frame.State.Volumes[0].Flags);
        Assert.Equal(1_795_000_000_123u, frame.State.Volumes[0].BitmapSinceMs);
        Assert.Equal("after-sb-0pri discard-node-beta", frame.State.SplitBrainPolicies);
        Assert.Equal("after-sb-0pri discard-node-beta", back.SplitBrainPolicies);
    }

    [Fact]
    public void Changes_written_here_are_read_by_protobuf()
    {
        byte[] ours = Samples.ChangesFrame();
        Frame frame = Frame.Parser.ParseFrom(ours);
        Assert.Equal(ours, frame.ToByteArray());
        Assert.Equal(100u, frame.Changes.FirstSequence);
        Assert.Equal(Samples.Data(15), frame.Changes.Data.ToByteArray());
        Assert.Equal(
            Samples.Changes.Select(c => ((int)c.Kind, (uint)c.Volume.Value, (ulong)c.Offset, (ulong)c.Length, (uint)c.Flags)),
            frame.Changes.Changes_.Select(c => ((int)c.Kind, c.Nr, c.Offset, c.Length, c.Flags)));
    }

    [Fact]
    public void Changes_written_by_protobuf_are_read_here()
    {
        var changes = new Changes { FirstSequence = 7, RawLength = 3 };
        changes.Changes_.Add(new Changes.Types.Change { Kind = Changes.Types.Change.Types.Kind.Write, Nr = 4, Offset = 9, Length = 3, Flags = 1 });
        uint state = Crc32C.Update(Crc32C.Start, changes.ToByteArray());
        changes.Data = ByteString.CopyFrom(1, 2, 3);
        changes.Crc32C = Crc32C.Finish(Crc32C.Update(state, changes.Data.Span));
        byte[] frame = new Frame { Changes = changes }.ToByteArray();

        Assert.True(ChangesFrameReader.TryRead(frame, out ChangesFrameReader reader, out FrameError error), error.ToString());
        Assert.True(reader.VerifyCrc());
        Assert.Equal(7u, reader.FirstSequence.Value);
        Assert.Equal(7u, reader.LastSequence.Value);
        Assert.Equal(new byte[] { 1, 2, 3 }, frame[reader.DataOffset..(reader.DataOffset + reader.DataLength)]);
        var seen = new List<ChangeHeader>();
        foreach (ChangeHeader change in reader)
            seen.Add(change);
        Assert.Equal([new ChangeHeader(ChangeKind.Write, new(4), 9, 3, ChangeFlags.Fua)], seen);
    }

    [Fact]
    public void Changes_come_back_in_order()
    {
        byte[] frame = Samples.ChangesFrame();
        Assert.True(ChangesFrameReader.TryRead(frame, out ChangesFrameReader reader, out FrameError error), error.ToString());
        Assert.True(reader.VerifyCrc());
        Assert.Equal((5, 104UL, 15, CompressionKind.None), (reader.Count, reader.LastSequence.Value, reader.RawLength, reader.Compression));
        var seen = new List<ChangeHeader>();
        foreach (ChangeHeader change in reader)
            seen.Add(change);
        Assert.Equal(Samples.Changes, seen);
    }

    [Theory]
    [InlineData(false, 64, CompressionKind.None)]
    [InlineData(false, 20, CompressionKind.Lz4)]
    [InlineData(true, 0, CompressionKind.None)]
    public void ResyncData_agrees_with_protobuf(bool zeroes, int dataLength, CompressionKind compression)
    {
        byte[] data = Samples.Data(dataLength);
        byte[] ours = Samples.ResyncFrame(new(4096, 64), zeroes, data, compression);
        Frame frame = Frame.Parser.ParseFrom(ours);
        Assert.Equal(ours, frame.ToByteArray());
        Assert.Equal((3u, 4096UL, 64UL, zeroes), (frame.ResyncData.Nr, frame.ResyncData.Offset, frame.ResyncData.Length, frame.ResyncData.Zeroes));
        Assert.Equal(data, frame.ResyncData.Data.ToByteArray());

        Assert.True(ResyncDataFrameReader.TryRead(ours, out ResyncDataFrameReader reader, out FrameError error), error.ToString());
        Assert.True(reader.VerifyCrc());
        Assert.Equal((new VolumeNr(3), new ByteRange(4096, 64), zeroes, compression), (reader.Volume, reader.Range, reader.Zeroes, reader.Compression));
        Assert.Equal(data, ours[reader.DataOffset..(reader.DataOffset + reader.DataLength)]);
    }

    [Theory]
    [InlineData(0, 64, false, 64, CompressionKind.None)]
    [InlineData(0, 64, false, 20, CompressionKind.Lz4)]
    [InlineData(0, 64, true, 0, CompressionKind.None)]
    [InlineData(5, 0, false, 0, CompressionKind.None)]
    public void ReadReply_agrees_with_protobuf(int errno, int length, bool zeroes, int dataLength, CompressionKind compression)
    {
        byte[] data = Samples.Data(dataLength);
        byte[] ours = Samples.ReadReplyFrame(77, errno, length, zeroes, data, compression);
        Frame frame = Frame.Parser.ParseFrom(ours);
        Assert.Equal(ours, frame.ToByteArray());
        Assert.Equal((77UL, (uint)errno, (uint)length, zeroes), (frame.ReadReply.Id, frame.ReadReply.Errno, frame.ReadReply.Length, frame.ReadReply.Zeroes));
        Assert.Equal(data, frame.ReadReply.Data.ToByteArray());

        Assert.True(ReadReplyFrameReader.TryRead(ours, out ReadReplyFrameReader reader, out FrameError error), error.ToString());
        Assert.True(reader.VerifyCrc());
        Assert.Equal((77UL, errno, length, zeroes, compression), (reader.Id, reader.Errno, reader.Length, reader.Zeroes, reader.Compression));
        Assert.Equal(data, ours[reader.DataOffset..(reader.DataOffset + reader.DataLength)]);
    }

    [Fact]
    public void ResyncData_names_the_position_where_it_was_read()
    {
        byte[] ours = Samples.ResyncFrame(new(4096, 64), false, Samples.Data(64), CompressionKind.None, position: 1UL << 40);
        Frame frame = Frame.Parser.ParseFrom(ours);
        Assert.Equal(ours, frame.ToByteArray());
        Assert.Equal(1UL << 40, frame.ResyncData.Position);
        Assert.True(ResyncDataFrameReader.TryRead(ours, out ResyncDataFrameReader reader, out FrameError error), error.ToString());
        Assert.True(reader.VerifyCrc());
        Assert.Equal(1UL << 40, reader.Position.Value);
        ours[^(Samples.Data(64).Length + 6)] ^= 1;
        Assert.False(ResyncDataFrameReader.TryRead(ours, out reader, out _) && reader.VerifyCrc());
    }

    [Fact]
    public void Ack_and_Alive_have_the_bytes_of_their_messages()
    {
        var message = (AckMessage)Samples.All.First(m => m is AckMessage);
        var writer = new AckFrameWriter(new byte[AckFrameWriter.LengthMax(message.Stable.Length)]);
        writer.Begin(message.ReceivedSequence, message.AppliedSequence);
        foreach (StableMark mark in message.Stable)
            writer.AddStable(mark.Volume, mark.Sequence);
        Assert.Equal(PeerMessageCodec.Encode(message), writer.End().ToArray());

        byte[] alive = AliveFrame.Write(new byte[AliveFrame.LengthMax], new(1000)).ToArray();
        Assert.Equal(PeerMessageCodec.Encode(new AliveMessage(new(1000))), alive);
        Assert.True(AliveFrame.TryRead(alive, out SequenceNumber applied, out _));
        Assert.Equal(1000u, applied.Value);
    }

    [Fact]
    public void Hello_bytes_are_pinned()
    {
        // Any version of BlockRepl must be able to read these bytes. If this test fails, the change is wrong, not the test.
        Assert.Equal(
            "0A2E0D50455242100118032101000000000000802A05616C706861"
            + "3204626574613A046D61696C41EFCDAB8967452301FD7FE900071A",
            Convert.ToHexString(PeerMessageCodec.Encode(Samples.Hello)));
    }
}
