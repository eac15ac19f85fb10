using System.Net;
using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Rpc;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Reaches one peer for one resource. Of two nodes the one whose name sorts first dials; the other's connector only waits to be dialled. Dials again until told to stop,
/// soon at first and then less often; a peer that answers and refuses is asked again after <see cref="ResourceStatusReader.RedialPauseMs"/>.
/// </summary>
internal sealed partial class PeerConnector(
    string node, string peerName, EndPoint endpoint, TlsOptions? tls, TimeSpan connectTimeout, ILogger log) : IDisposable
{
    private static readonly TimeSpan RetryFirst = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RetryMax = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private CancellationTokenSource? _running;
    private Target _target = new(endpoint, tls, connectTimeout);
    private volatile string _detail = "";

    private sealed record Target(EndPoint Endpoint, TlsOptions? Tls, TimeSpan Timeout);

    /// <summary>Whether this side dials.</summary>
    public bool IsDialer { get; } = string.CompareOrdinal(node, peerName) < 0;

    /// <summary>What this connector's streams belong to; set once before <see cref="Start"/>.</summary>
    public (ResourceRuntime Runtime, PeerId Peer) Owner { get; set; }

    /// <summary>Why the last attempt failed, in words; empty if it did not.</summary>
    public string Detail => _detail;

    /// <summary>Dials until there is a stream, and again when that has ended. Does nothing if it does so already, or on the side that is dialled.</summary>
    public void Start()
    {
        if (!IsDialer)
            return;
        lock (_lock)
        {
            if (_running is not null)
                return;
            _running = new CancellationTokenSource();
            CancellationToken stop = _running.Token;
            _ = Task.Run(() => DialGuardedAsync(stop));
        }
    }

    /// <summary>Stops dialling. A stream that is up is Core's to close.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            _running?.Cancel();
            _running = null;
        }
    }

    /// <summary>From the next attempt on another address, certificate or patience. A stream that is up is the caller's to end.</summary>
    public void Retarget(EndPoint next, TlsOptions? nextTls, TimeSpan timeout) => Volatile.Write(ref _target, new Target(next, nextTls, timeout));

    /// <inheritdoc/>
    public void Dispose() => Stop();

    // A dialler that ended in silence would leave the nodes apart for ever.
    private async Task DialGuardedAsync(CancellationToken stop)
    {
        try
        {
            await DialAsync(stop);
        }
        catch (Exception bug)
        {
            BugGuard.Die(log, bug);
            throw;
        }
    }

    private async Task DialAsync(CancellationToken stop)
    {
        TimeSpan pause = RetryFirst;
        while (!stop.IsCancellationRequested)
        {
            var ended = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            try
            {
                var stream = new PeerStream(Owner.Runtime, Owner.Peer, detail => ended.TrySetResult(detail));
                Target target = Volatile.Read(ref _target);
                IPeerChannel channel = await PeerDialer.DialAsync(target.Endpoint, target.Tls, peerName, stream, target.Timeout, stop);
                _detail = "";
                stream.Opened(channel);
                long openedMs = ResourceRuntime.NowMs;
                await ended.Task.WaitAsync(stop);

                // A stream that lived was no failed attempt: try again at once. One that is refused each time must not spin.
                pause = ResourceRuntime.NowMs - openedMs > RetryMax.TotalMilliseconds ? RetryFirst : Longer(pause);
            }
            catch (ChannelException e)
            {
                if (_detail != e.Message)
                    LogDialFailed(log, Owner.Runtime.Settings.Name, peerName, e.Message);
                _detail = e.Message;
                pause = Longer(pause);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            TimeSpan refused = TimeSpan.FromMilliseconds(Owner.Runtime.Read(status => status.RedialPauseMs(Owner.Peer)));
            using var timer = new PeriodicTimer(refused > pause ? refused : pause);
            try
            {
                await timer.WaitForNextTickAsync(stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static TimeSpan Longer(TimeSpan pause) => pause + pause < RetryMax ? pause + pause : RetryMax;

    [LoggerMessage(EventId = 210, Level = LogLevel.Information, Message = "{Resource}@{Peer}: cannot connect: {Why}")]
    private static partial void LogDialFailed(ILogger logger, string resource, string peer, string why);
}
