using BlockRepl.Primitives;
using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc.Tests;

public class MessageAssemblerTests
{
    [Fact]
    public void I18_messages_come_whole_at_every_split()
    {
        byte[][] messages = [[], [1], [2, 3, 4], Pair.Bytes(9, 1), [], Pair.Bytes(6, 2)];
        byte[] stream = [.. messages.SelectMany(m => (byte[])[0, 0, 0, 0, (byte)m.Length, .. m])];
        for (int first = 0; first <= stream.Length; first++)
        {
            for (int step = 1; step <= stream.Length; step++)
            {
                var assembler = new MessageAssembler(BlockBufferPool.Shared);
                var seen = new List<byte[]>();
                Feed(assembler, stream.AsSpan(0, first), seen);
                for (int at = first; at < stream.Length; at += step)
                    Feed(assembler, stream.AsSpan(at, Math.Min(step, stream.Length - at)), seen);
                Assert.Equal(messages, seen);
                Assert.True(assembler.IsBetweenMessages);
            }
        }
    }

    [Fact]
    public void Bytes_received_in_place_count()
    {
        var assembler = new MessageAssembler(BlockBufferPool.Shared);
        ReadOnlySpan<byte> data = [0, 0, 0, 0, 4, 9];
        Assert.Null(assembler.Feed(ref data));
        Assert.Equal(3, assembler.Rest.Length);
        assembler.Rest[0] = 8;
        Assert.Null(assembler.Filled(1));
        assembler.Rest[0] = 7;
        assembler.Rest[1] = 6;
        BlockBuffer message = assembler.Filled(2)!;
        Assert.Equal([9, 8, 7, 6], message.Span.ToArray());
        message.Release();
        Assert.True(assembler.Rest.IsEmpty);
    }

    private static void Feed(MessageAssembler assembler, ReadOnlySpan<byte> data, List<byte[]> seen)
    {
        while (data.Length > 0)
        {
            if (assembler.Feed(ref data) is not { } message)
                continue;
            seen.Add(message.Span.ToArray());
            message.Release();
        }
    }
}
