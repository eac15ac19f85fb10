using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Flushes that come while one runs share the next, on the peer as well: a database's and a mail server's commits at once cost few fdatasync calls.</summary>
public class FlushSharingTests
{
    private const int Flushes = 17;

    [Fact]
    public async Task Flushes_that_wait_for_one_on_the_peer_share_the_next()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var answers = new Answers();
        DelayDevice delay = nodes.Delays["beta"];
        delay.Hold(DeviceOperation.Flush);

        // Each is on its way to the peer when Submit returns; the peer's disk is in the first.
        for (int i = 0; i < Flushes; i++)
            answers.Ask(nodes.AlphaVolume, (ulong)i);
        int calls = 0;
        long deadline = Environment.TickCount64 + 60_000;
        while (!answers.AreAllThere)
        {
            Assert.True(Environment.TickCount64 < deadline, "a flush was not answered");
            if (!delay.AwaitWaiting(1, TimeSpan.FromMilliseconds(100)))
                continue;
            int passed = delay.Passed;
            delay.LetPass(1);
            Assert.True(SpinWait.SpinUntil(() => delay.Passed > passed, TimeSpan.FromSeconds(20)));
            calls++;
        }

        delay.Release();
        Assert.InRange(calls, 2, Flushes / 2);
    }

    private sealed class Answers : INbdReplySink, IDisposable
    {
        private readonly CountdownEvent _missing = new(Flushes);

        public void Ask(RuntimeVolume export, ulong cookie)
        {
            var request = new NbdRequest();
            request.Begin(new NbdRequestHeader(0, NbdCommand.Flush, cookie, 0, 0), this);
            export.Submit([request]);
        }

        public bool AreAllThere => _missing.IsSet;

        public void Complete(NbdRequest request, NbdError error)
        {
            if (error == NbdError.Ok)
                _missing.Signal();
        }

        public void Flush()
        {
        }

        public void Dispose() => _missing.Dispose();
    }
}
