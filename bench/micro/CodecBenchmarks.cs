using BenchmarkDotNet.Attributes;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Micro;

/// <summary>The head of a Changes frame, written and read, without the data's CRC.</summary>
public class CodecBenchmarks
{
    private readonly byte[] _buffer = new byte[ChangesFrameWriter.HeadLengthMax(256)];
    private byte[] _frame = [];

    [Params(1, 32)]
    public int Changes { get; set; }

    [GlobalSetup]
    public void Encode() => _frame = [.. WriteHead(), .. new byte[Changes * Block.Size]];

    [Benchmark]
    public int Write() => WriteHead().Length;

    [Benchmark]
    public long Read()
    {
        if (!ChangesFrameReader.TryRead(_frame, out ChangesFrameReader reader, out FrameError error))
            throw new InvalidOperationException(error.ToString());
        long sum = 0;
        foreach (ChangeHeader change in reader)
            sum += change.Offset;
        return sum;
    }

    private ReadOnlySpan<byte> WriteHead()
    {
        var writer = new ChangesFrameWriter(_buffer);
        writer.Begin(new SequenceNumber(1_000_000));
        for (int i = 0; i < Changes; i++)
            writer.Add(new ChangeHeader(ChangeKind.Write, default, (long)i << 20, Block.Size, ChangeFlags.None));
        uint crc = writer.Seal(CompressionKind.None, Changes * Block.Size);
        return writer.End(crc, Changes * Block.Size);
    }
}
