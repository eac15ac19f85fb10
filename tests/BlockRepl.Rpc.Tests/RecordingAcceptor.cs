using System.Collections.Concurrent;

namespace BlockRepl.Rpc.Tests;

/// <summary>Hands accepted channels to the test.</summary>
internal sealed class RecordingAcceptor(Func<RecordingHandler>? makeHandler = null) : IPeerAcceptor
{
    private readonly BlockingCollection<(IPeerChannel Channel, RecordingHandler Handler)> _accepted = [];

    public BlockingCollection<string> Refused { get; } = [];

    public (IPeerChannel Channel, RecordingHandler Handler) Next() =>
        _accepted.TryTake(out var pair, RecordingHandler.Patience) ? pair : throw new TimeoutException("nobody connected");

    public string NextRefusal() =>
        Refused.TryTake(out string? why, RecordingHandler.Patience) ? why : throw new TimeoutException("nobody was refused");

    public IPeerChannelHandler OnAccepted(IPeerChannel channel)
    {
        RecordingHandler handler = makeHandler?.Invoke() ?? new RecordingHandler();
        _accepted.Add((channel, handler));
        return handler;
    }

    public void OnRefused(string remoteAddress, string why) => Refused.Add(why);
}
