using System.Collections.Concurrent;
using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Tests;

/// <summary>Keeps what happens on a channel and lets a test wait for it.</summary>
internal sealed class RecordingHandler : IPeerChannelHandler
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly BlockingCollection<byte[]> _messages = [];
    private readonly TaskCompletionSource<(ChannelCloseReason Reason, string Detail)> _closed =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Runs on the receiver for each message instead of keeping it; owns the reference.</summary>
    public Action<IPeerChannel, BlockBuffer>? Consumer { get; init; }

    public SemaphoreSlim Drained { get; } = new(0);

    public int ClosedCount { get; private set; }

    public Task<(ChannelCloseReason Reason, string Detail)> Closed => _closed.Task.WaitAsync(Patience);

    public byte[] Next() => _messages.TryTake(out byte[]? message, Patience) ? message : throw new TimeoutException("no message came");

    public void OnMessage(IPeerChannel channel, BlockBuffer message)
    {
        if (ClosedCount != 0)
            Assert.Fail("a message after OnClosed");
        if (Consumer is not null)
        {
            Consumer(channel, message);
            return;
        }

        _messages.Add(message.Span.ToArray());
        message.Release();
    }

    public void OnDrained(IPeerChannel channel) => Drained.Release();

    public void OnClosed(IPeerChannel channel, ChannelCloseReason reason, string detail)
    {
        ClosedCount++;
        _closed.TrySetResult((reason, detail));
    }
}
