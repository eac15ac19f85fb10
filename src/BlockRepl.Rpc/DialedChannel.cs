using BlockRepl.Rpc.Wire;

namespace BlockRepl.Rpc;

/// <summary>The end of a stream that dialled. Open once the peer's SETTINGS have come.</summary>
internal sealed class DialedChannel(PeerSocket socket, object gate, string remoteAddress, IPeerChannelHandler handler)
    : StreamChannel(socket, gate, remoteAddress, handler)
{
    private readonly TaskCompletionSource<IPeerChannel> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc/>
    public override bool IsDialer => true;

    /// <summary>Done when the peer has shown that it speaks HTTP/2; fails with a <see cref="ChannelException"/>.</summary>
    public Task<IPeerChannel> Opened => _opened.Task;

    /// <inheritdoc/>
    public override void OnRequest(List<(string Name, string Value)> headers, int streamId) =>
        throw Primitives.Check.Unreachable("a request to a dialer");

    /// <inheritdoc/>
    protected override void OnOpened() => _opened.TrySetResult(this);

    /// <inheritdoc/>
    protected override void OnNeverOpened(ChannelException end) => _opened.TrySetException(end);
}
