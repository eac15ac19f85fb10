using BlockRepl.Nbd;

namespace BlockRepl.Conformance.Server;

/// <summary>
/// An export in the test's hands: it records what is submitted, can stall inside Submit, and can keep requests for the test to complete
/// from its own thread, as a peer's acknowledgement would.
/// </summary>
internal sealed class HoldingExport : INbdExport
{
    private readonly object _gate = new();
    private readonly List<NbdRequest> _held = [];
    private readonly List<ulong> _submitted = [];
    private ulong _stallAt = ulong.MaxValue;
    private bool _isStalled;

    public NbdExportInfo Info { get; init; } = new() { Name = TestServer.VolumeName, SizeBytes = 64 << 20 };

    /// <summary>Whether requests wait for <see cref="CompleteHeld"/>; else they succeed at once.</summary>
    public bool Holds { get; set; }

    /// <summary>Cookies in the order of submission.</summary>
    public ulong[] Submitted
    {
        get
        {
            lock (_gate)
                return [.. _submitted];
        }
    }

    /// <summary>Submit blocks on the request with this cookie until <see cref="Release"/>.</summary>
    public void StallAt(ulong cookie) => _stallAt = cookie;

    public void Release()
    {
        lock (_gate)
        {
            _stallAt = ulong.MaxValue;
            Monitor.PulseAll(_gate);
        }
    }

    public void Submit(ReadOnlySpan<NbdRequest> batch)
    {
        foreach (NbdRequest request in batch)
        {
            lock (_gate)
            {
                while (request.Cookie == _stallAt)
                {
                    _isStalled = true;
                    Monitor.PulseAll(_gate);
                    Monitor.Wait(_gate);
                }

                _submitted.Add(request.Cookie);
                if (Holds)
                    _held.Add(request);
                Monitor.PulseAll(_gate);
            }

            if (!Holds)
                request.Sink.Complete(request, NbdError.Ok);
        }
    }

    public void WaitUntilStalled() => WaitUntil(() => _isStalled);

    public void WaitUntilSubmitted(int count) => WaitUntil(() => _submitted.Count >= count);

    /// <summary>Completes what is held and flushes, on the caller's thread; returns how many.</summary>
    public int CompleteHeld(NbdError error = NbdError.Ok)
    {
        NbdRequest[] held;
        lock (_gate)
        {
            held = [.. _held];
            _held.Clear();
        }

        foreach (NbdRequest request in held)
        {
            INbdReplySink sink = request.Sink;
            sink.Complete(request, error);
            sink.Flush();
        }

        return held.Length;
    }

    private void WaitUntil(Func<bool> condition)
    {
        long end = Environment.TickCount64 + RawClient.DeadlineMs;
        lock (_gate)
        {
            while (!condition())
                Assert.True(Monitor.Wait(_gate, (int)Math.Max(1, end - Environment.TickCount64)), "it did not happen in time");
        }
    }
}
