namespace BlockRepl.Rpc.Tests;

/// <summary>Messages arrive whole and in order, whatever their size, both ways.</summary>
public class EchoTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Messages_of_every_size_arrive_both_ways(bool tls)
    {
        await using Pair pair = await Pair.ConnectAsync(tls);
        int[] sizes = [0, 1, 2, 4, 5, 100, 4096, 16379, 16384, 65530, 65535, 65536, 131072, (1 << 20) - 5, (1 << 20) + 1, 5_000_000, 33 << 20];
        foreach (int size in sizes)
        {
            byte[] message = Pair.Bytes(size, size);
            Pair.Send(pair.Dialed, message, Math.Min(size, 40), 3);
            Pair.Send(pair.Accepted, message, Math.Min(size, 1000), 2);
            Assert.True(message.AsSpan().SequenceEqual(pair.AcceptedHandler.Next()), $"dialled to accepted, {size} bytes");
            Assert.True(message.AsSpan().SequenceEqual(pair.DialedHandler.Next()), $"accepted to dialled, {size} bytes");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Both_directions_run_at_once(bool tls)
    {
        await using Pair pair = await Pair.ConnectAsync(tls);
        const int Count = 400;
        await Task.WhenAll(
            Task.Run(() => SendAll(pair.Dialed, 1)),
            Task.Run(() => SendAll(pair.Accepted, 2)),
            Task.Run(() => ReceiveAll(pair.AcceptedHandler, 1)),
            Task.Run(() => ReceiveAll(pair.DialedHandler, 2)));

        static int Size(int i) => (i * 7919) % 300_000;

        static void SendAll(IPeerChannel channel, int seed)
        {
            for (int i = 0; i < Count; i++)
                Pair.Send(channel, Pair.Bytes(Size(i), i + (seed << 20)), Size(i) / 2, 1 + (i % 5));
        }

        static void ReceiveAll(RecordingHandler handler, int seed)
        {
            for (int i = 0; i < Count; i++)
                Assert.True(Pair.Bytes(Size(i), i + (seed << 20)).AsSpan().SequenceEqual(handler.Next()), $"message {i}");
        }
    }

    [Fact]
    public async Task Tls_names_both_nodes()
    {
        await using Pair pair = await Pair.ConnectAsync(tls: true);
        Assert.Equal("beta", pair.Dialed.AuthenticatedPeer);
        Assert.Equal("alpha", pair.Accepted.AuthenticatedPeer);
        Assert.True(pair.Dialed.IsDialer);
        Assert.False(pair.Accepted.IsDialer);
    }

    [Fact]
    public async Task Clear_text_names_nobody()
    {
        await using Pair pair = await Pair.ConnectAsync(tls: false);
        Assert.Null(pair.Dialed.AuthenticatedPeer);
        Assert.Null(pair.Accepted.AuthenticatedPeer);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task The_last_message_before_an_orderly_close_arrives(bool tls, bool dialerCloses)
    {
        await using Pair pair = await Pair.ConnectAsync(tls);
        (IPeerChannel closer, RecordingHandler closerHandler) = dialerCloses ? (pair.Dialed, pair.DialedHandler) : (pair.Accepted, pair.AcceptedHandler);
        RecordingHandler other = dialerCloses ? pair.AcceptedHandler : pair.DialedHandler;
        closer.Send([1, 2, 3], []);
        closer.Close(ChannelCloseReason.Local, "bye");
        closer.Send([4], []);
        Assert.Equal([1, 2, 3], other.Next());
        Assert.Equal((ChannelCloseReason.Local, "bye"), await closerHandler.Closed);
        Assert.Equal(ChannelCloseReason.PeerClosed, (await other.Closed).Reason);
    }
}
