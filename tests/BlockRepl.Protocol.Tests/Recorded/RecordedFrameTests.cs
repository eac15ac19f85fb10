namespace BlockRepl.Protocol.Tests.Recorded;

/// <summary>G15: what a build of protocol version 1 wrote is read by this build, and what this build writes of it has the same bytes.</summary>
public class RecordedFrameTests
{
    private static readonly Dictionary<string, byte[]> Frames = Read();

    public static TheoryData<string> Messages() => [.. RecordedFrames.Messages.Select(m => m.Name)];

    public static TheoryData<string> DataFrames() => [.. RecordedFrames.DataFrames().Select(f => f.Name)];

    [Theory]
    [MemberData(nameof(Messages))]
    public void G15_a_recorded_message_is_read_to_its_values_and_written_to_the_same_bytes(string name)
    {
        PeerMessage expected = RecordedFrames.Messages.Single(m => m.Name == name).Message;
        byte[] recorded = Frames[name];
        Assert.True(PeerMessageCodec.TryDecode(recorded, out PeerMessage read, out FrameError error), error.ToString());
        Assert.Equal(Text(expected), Text(read));
        Assert.Equal(recorded, PeerMessageCodec.Encode(expected));
        Assert.Equal(recorded, PeerMessageCodec.Encode(read));
    }

    [Theory]
    [MemberData(nameof(DataFrames))]
    public void G15_a_recorded_data_frame_is_written_to_the_same_bytes(string name) =>
        Assert.Equal(Frames[name], RecordedFrames.DataFrames().Single(f => f.Name == name).Frame);

    [Fact]
    public void G15_recorded_changes_are_read_to_their_values()
    {
        byte[] frame = Frames["Changes"];
        Assert.True(ChangesFrameReader.TryRead(frame, out ChangesFrameReader reader, out FrameError error), error.ToString());
        Assert.True(reader.VerifyCrc());
        Assert.Equal(100u, reader.FirstSequence.Value);
        var seen = new List<ChangeHeader>();
        foreach (ChangeHeader change in reader)
            seen.Add(change);
        Assert.Equal(RecordedFrames.Changes, seen);
        Assert.Equal(RecordedFrames.Data(15), frame[reader.DataOffset..(reader.DataOffset + reader.DataLength)]);
    }

    [Theory]
    [InlineData("ResyncData", 1L << 40, 64, false, 64)]
    [InlineData("ResyncData-zeroes", 4096, 1L << 32, true, 0)]
    public void G15_recorded_resync_data_is_read_to_its_values(string name, long offset, long length, bool zeroes, int dataLength)
    {
        byte[] frame = Frames[name];
        Assert.True(ResyncDataFrameReader.TryRead(frame, out ResyncDataFrameReader reader, out FrameError error), error.ToString());
        Assert.True(reader.VerifyCrc());
        Assert.Equal((3, offset, length, zeroes), (reader.Volume.Value, reader.Range.Offset, reader.Range.Length, reader.Zeroes));
        Assert.Equal(RecordedFrames.Data(dataLength), frame[reader.DataOffset..(reader.DataOffset + reader.DataLength)]);
    }

    [Fact]
    public void The_recording_has_every_kind_of_version_1_and_nothing_without_a_test()
    {
        const int KindsOfVersion1 = 20;
        Assert.Equal(Enumerable.Range(1, KindsOfVersion1), Frames.Values.Select(f => (int)PeerMessageCodec.PeekKind(f)).Distinct().Order());
        Assert.Equal(
            Frames.Keys.Order(), RecordedFrames.Messages.Select(m => m.Name).Concat(RecordedFrames.DataFrames().Select(f => f.Name)).Order());
    }

    [Fact]
    public void G15_every_frame_of_the_recorded_conversation_is_read()
    {
        int frames = 0;
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Recorded/v1/conversation.txt")))
        {
            if (line.Length == 0 || line[0] is '#' or '@')
                continue;
            byte[] frame = Convert.FromHexString(line.Split(' ')[2]);
            Assert.True(Samples.TryReceive(frame, out FrameError error), $"{line}: {error}");
            frames++;
        }

        Assert.True(frames > 50);
    }

    // Every property with its value: lists of a record do not compare by their content.
    private static string Text(object? value) => value switch
    {
        PeerMessage or VolumeStateInfo => $"{value.GetType().Name} {{ "
            + string.Join(", ", value.GetType().GetProperties().Select(p => $"{p.Name} = {Text(p.GetValue(value))}")) + " }",
        string text => text,
        System.Collections.IEnumerable items => $"[{string.Join(", ", items.Cast<object>().Select(Text))}]",
        _ => value?.ToString() ?? "null",
    };

    private static Dictionary<string, byte[]> Read() =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Recorded/v1/frames.txt"))
            .Where(line => !line.StartsWith('#'))
            .Select(line => line.Split(' '))
            .ToDictionary(parts => parts[0], parts => Convert.FromHexString(parts[1]));
}
