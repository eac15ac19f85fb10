using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Tests;

/// <summary>Hard part 23: the data path allocates nothing.</summary>
public class AllocationTests
{
    [Fact]
    public void Data_frames_are_written_and_read_without_allocation()
    {
        var buffer = new byte[4096];
        byte[] data = Samples.Data(15);
        long sum = RoundTrip(buffer, data);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            sum += RoundTrip(buffer, data);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.NotEqual(0, sum);
    }

    private static long RoundTrip(byte[] buffer, byte[] data)
    {
        long sum = 0;
        var changes = new ChangesFrameWriter(buffer);
        changes.Begin(new(1));
        foreach (ChangeHeader change in Samples.Changes)
            changes.Add(change);
        sum += Append(buffer, changes.End(Crc32C.Update(changes.Seal(CompressionKind.None, data.Length), data), data.Length), data, out int length);
        if (!ChangesFrameReader.TryRead(buffer.AsSpan(0, length), out ChangesFrameReader read, out _) || !read.VerifyCrc())
            return long.MinValue;
        foreach (ChangeHeader change in read)
            sum += change.Length;

        var resync = new ResyncDataFrameWriter(buffer);
        uint crc = Crc32C.Update(resync.Begin(new(1), new(0, data.Length), false, CompressionKind.None), data);
        sum += Append(buffer, resync.End(crc, data.Length), data, out length);
        if (!ResyncDataFrameReader.TryRead(buffer.AsSpan(0, length), out ResyncDataFrameReader range, out _) || !range.VerifyCrc())
            return long.MinValue;
        sum += range.Range.Length;

        var ack = new AckFrameWriter(buffer);
        ack.Begin(new(5), new(4));
        ack.AddStable(new(1), new(3));
        if (!AckFrameReader.TryRead(ack.End(), out AckFrameReader acked, out _))
            return long.MinValue;
        foreach (StableMark mark in acked)
            sum += (long)mark.Sequence.Value;
        return AliveFrame.TryRead(AliveFrame.Write(buffer, new(9)), out SequenceNumber applied, out _) ? sum + (long)applied.Value : long.MinValue;
    }

    private static long Append(byte[] buffer, ReadOnlySpan<byte> head, byte[] data, out int length)
    {
        length = head.Length + data.Length;
        head.CopyTo(buffer);
        data.CopyTo(buffer.AsSpan(head.Length));
        return length;
    }
}
