using System.Diagnostics;
using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Tests;

/// <summary>G12: Send never blocks, what waits is counted, and Close is prompt whatever waits.</summary>
public class BackPressureTests
{
    private const int MessageBytes = 1 << 20;
    private const int Count = 100;

    [Theory]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public async Task A_stalled_reader_does_not_block_the_sender(bool tls, bool dialerSends)
    {
        using var go = new ManualResetEventSlim();
        int received = 0;
        bool right = true;
        byte[] message = Pair.Bytes(MessageBytes, 1);
        var stalled = new RecordingHandler
        {
            Consumer = (_, buffer) =>
            {
                Assert.True(go.Wait(RecordingHandler.Patience));
                right &= buffer.Span.SequenceEqual(message);
                buffer.Release();
                Interlocked.Increment(ref received);
            },
        };
        await using Pair pair = await Pair.ConnectAsync(tls, dialerSends ? null : stalled, dialerSends ? stalled : null);
        (IPeerChannel sender, RecordingHandler senderHandler) =
            dialerSends ? (pair.Dialed, pair.DialedHandler) : (pair.Accepted, pair.AcceptedHandler);

        var watch = Stopwatch.StartNew();
        for (int i = 0; i < Count; i++)
            Pair.Send(sender, message, 100, 4);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 10);
        Assert.InRange(sender.QueuedBytes, Count * MessageBytes / 2, (Count * (MessageBytes + 100L)) + 100_000);

        go.Set();
        // The first messages may have drained on their own; the signal for the last ones is still to come.
        do
            Assert.True(await senderHandler.Drained.WaitAsync(RecordingHandler.Patience));
        while (sender.QueuedBytes > 0);
        // A last message shows that all before it have come.
        sender.Send(message, []);
        SpinWait.SpinUntil(() => Volatile.Read(ref received) == Count + 1, RecordingHandler.Patience);
        Assert.Equal(Count + 1, received);
        Assert.True(right);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_speed_of_a_link_is_known_once_it_was_full(bool tls)
    {
        await using Pair pair = await Pair.ConnectAsync(tls);
        Assert.Equal(0, pair.Dialed.MeasureLink());
        byte[] message = Pair.Bytes(MessageBytes, 1);
        long measured = 0;
        for (var watch = Stopwatch.StartNew(); measured == 0 && watch.Elapsed < RecordingHandler.Patience;)
        {
            if (pair.Dialed.QueuedBytes < 8 * MessageBytes)
                Pair.Send(pair.Dialed, message, 100, 4);
            measured = pair.Dialed.MeasureLink();
        }

        Assert.InRange(measured, 1_000_000, 1_000_000_000_000);
        pair.Dialed.Close(ChannelCloseReason.Local, "done");
        Assert.Equal(measured, pair.Dialed.MeasureLink()); // no socket is asked any more
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public async Task Close_is_prompt_while_the_socket_is_full_and_releases_everything(bool tls, bool dialerSends)
    {
        using var go = new ManualResetEventSlim();
        var stalled = new RecordingHandler
        {
            Consumer = (_, buffer) =>
            {
                Assert.True(go.Wait(RecordingHandler.Patience));
                buffer.Release();
            },
        };
        await using (Pair pair = await Pair.ConnectAsync(tls, dialerSends ? null : stalled, dialerSends ? stalled : null))
        {
            (IPeerChannel sender, RecordingHandler handler) =
                dialerSends ? (pair.Dialed, pair.DialedHandler) : (pair.Accepted, pair.AcceptedHandler);
            byte[] message = Pair.Bytes(MessageBytes, 1);
            for (int i = 0; i < 60; i++)
                Pair.Send(sender, message, 100, 4);
            Assert.NotEqual(0, sender.QueuedBytes);

            var watch = Stopwatch.StartNew();
            sender.Close(ChannelCloseReason.Timeout, "no progress");
            sender.Close(ChannelCloseReason.Local, "a later reason");
            Assert.Equal((ChannelCloseReason.Timeout, "no progress"), await handler.Closed);
            Assert.InRange(watch.ElapsedMilliseconds, 0, 2000);
            Assert.Equal(0, sender.QueuedBytes);
            sender.Send(message, []);
            go.Set();
        }

        SpinWait.SpinUntil(() => BlockBufferPool.Shared.RentedCount == 0, RecordingHandler.Patience);
        Assert.Equal(0, BlockBufferPool.Shared.Rented(BufferPurpose.Test));
        Assert.Equal(0, BlockBufferPool.Shared.Rented(BufferPurpose.PeerSend));
        Assert.Equal(0, BlockBufferPool.Shared.Rented(BufferPurpose.PeerReceive));
    }

    [Fact]
    public async Task The_dialled_end_sends_and_receives_without_allocation()
    {
        var echo = new RecordingHandler
        {
            Consumer = (channel, buffer) =>
            {
                channel.Send(buffer.Span, []);
                buffer.Release();
            },
        };
        using var came = new SemaphoreSlim(0);
        long receiverAllocated = 0;
        var count = new RecordingHandler
        {
            Consumer = (_, buffer) =>
            {
                buffer.Release();
                Volatile.Write(ref receiverAllocated, GC.GetAllocatedBytesForCurrentThread());
                came.Release();
            },
        };
        await using Pair pair = await Pair.ConnectAsync(tls: false, count, echo);
        (long sent, long received) = RoundTrips(pair.Dialed, came, () => Volatile.Read(ref receiverAllocated));
        // The semaphore of this test may queue a waiter now and then; a message would cost more than a byte.
        Assert.InRange(sent, 0, 500);
        Assert.InRange(received, 0, 500);
    }

    private static (long Sent, long Received) RoundTrips(IPeerChannel channel, SemaphoreSlim came, Func<long> receiverAllocated)
    {
        const int Rounds = 2000;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(4096, BufferPurpose.Test);
        PayloadSegment[] payload = [new(buffer, 0, 4096)];
        byte[] head = new byte[40];
        long sent = 0;
        long before = 0;
        for (int i = 0; i < Rounds + 200; i++)
        {
            if (i == 200)
                before = receiverAllocated();
            long at = GC.GetAllocatedBytesForCurrentThread();
            channel.Send(head, payload);
            if (i >= 200)
                sent += GC.GetAllocatedBytesForCurrentThread() - at;
            Assert.True(came.Wait(RecordingHandler.Patience));
        }

        buffer.Release();
        return (sent, receiverAllocated() - before);
    }
}
