using BlockRepl.Conformance.Server;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Conformance;

/// <summary>Requests that other threads complete, clients that are aborted, and what the data path costs.</summary>
public sealed class CompletionTests
{
    [Fact]
    public void Replies_of_another_thread_reach_an_idle_client()
    {
        var export = new HoldingExport { Holds = true };
        using var server = new TestServer(export: export);
        using RawClient client = server.Connect().Greet().Go();
        for (ulong cookie = 0; cookie < 3; cookie++)
            client.Request(1, cookie, 0, 512, payload: new byte[512]);
        export.WaitUntilSubmitted(3);
        client.ExpectNothingMore();
        export.CompleteHeld(NbdError.EIO);
        for (ulong cookie = 0; cookie < 3; cookie++)
            client.ExpectSimple(NbdError.EIO, cookie);
    }

    [Fact]
    public void A_client_that_does_not_read_never_blocks_the_thread_that_completes_its_requests()
    {
        var export = new HoldingExport { Holds = true };
        using var server = new TestServer(export: export);
        using RawClient client = server.Connect().Greet().Go();
        const int Count = 32;
        for (ulong cookie = 0; cookie < Count; cookie++)
            client.Request(0, cookie, 0, 1 << 20);
        export.WaitUntilSubmitted(Count);
        // 32 MiB into a socket that holds less than one: this returns all the same...
        Assert.Equal(Count, export.CompleteHeld());
        // ...and the writer thread brings the rest, in order, as soon as the client reads.
        for (ulong cookie = 0; cookie < Count; cookie++)
        {
            client.ExpectSimple(NbdError.Ok, cookie);
            client.Receive(1 << 20);
        }
    }

    [Fact]
    public void No_more_is_read_than_the_window_holds()
    {
        var export = new HoldingExport { Holds = true };
        using var server = new TestServer(export: export, options: new NbdServerOptions { InFlightRequestsMax = 16 });
        using RawClient client = server.Connect().Greet().Go();
        for (ulong cookie = 0; cookie < 40; cookie++)
            client.Request(3, cookie, 0, 0);
        export.WaitUntilSubmitted(16);
        client.ExpectNothingMore();
        Assert.Equal(16, export.Submitted.Length);
        export.CompleteHeld();
        export.WaitUntilSubmitted(32);
        export.CompleteHeld();
        export.WaitUntilSubmitted(40);
        export.CompleteHeld();
        for (ulong cookie = 0; cookie < 40; cookie++)
            client.ExpectSimple(NbdError.Ok, cookie);
    }

    [Fact]
    public void An_aborted_client_gets_its_replies_and_submits_nothing_further()
    {
        var export = new HoldingExport { Holds = true };
        using var server = new TestServer(export: export);
        using RawClient client = server.Connect().Greet().Go();
        client.Request(1, 1, 0, 512, payload: new byte[512]);
        export.WaitUntilSubmitted(1);
        foreach (INbdClient open in server.Source.Clients.Keys)
            open.Abort("mail/db became Secondary");
        Assert.Equal(1, server.Source.OpenCount); // not over before its request is
        export.CompleteHeld();
        client.ExpectSimple(NbdError.Ok, 1);
        client.ExpectHangUp();
        Assert.Equal([1UL], export.Submitted);
    }

    [Fact]
    public void A_request_completed_after_its_client_is_gone_is_dropped()
    {
        var export = new HoldingExport { Holds = true };
        using var server = new TestServer(export: export);
        using (RawClient client = server.Connect().Greet().Go())
        {
            client.Request(0, 1, 0, 4096);
            client.Request(1, 2, 0, 512, payload: new byte[512]);
            export.WaitUntilSubmitted(2);
        }

        export.CompleteHeld();
        Assert.True(SpinWait.SpinUntil(() => server.Server.ConnectionCount == 0, RawClient.DeadlineMs));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void A_request_allocates_nothing(int command)
    {
        var export = new HoldingNothing();
        using var server = new TestServer(export: export);
        using RawClient client = server.Connect().Greet().Structured().Go();
        const int Window = 32;
        bool isRead = command == 0;
        uint length = command == 3 ? 0u : 4096u;
        byte[] requests = [.. Enumerable.Range(0, Window).SelectMany(i => RawClient.RequestBytes(
            (ushort)command, (ulong)i, command == 3 ? 0 : (ulong)i * 4096, length, 0, command == 1 ? new byte[4096] : null))];
        byte[] replies = new byte[Window * (isRead ? 20 + 8 + 4096 : 16)];
        void Round()
        {
            client.Socket.Send(requests);
            for (int got = 0; got < replies.Length;)
                got += client.Socket.Receive(replies.AsSpan(got));
        }

        for (int i = 0; i < 300; i++)
            Round();
        long before = export.AllocatedBytes;
        for (int i = 0; i < 300; i++)
            Round();
        // Measured on the connection's own thread, where the whole path runs. 9600 requests.
        Assert.Equal(0, export.AllocatedBytes - before);
    }

    [Fact]
    public void An_export_may_keep_the_bytes_of_a_write_beyond_its_answer()
    {
        var export = new HoldingNothing { KeepsPayload = true };
        using var server = new TestServer(export: export); // its end checks that no buffer is left rented
        using RawClient client = server.Connect().Greet().Go();
        byte[] last = [];
        for (ulong i = 0; i < 20; i++)
        {
            last = [.. Enumerable.Repeat((byte)i, 4096)];
            client.Request(1, i, 0, 4096, payload: last);
            client.ExpectSimple(NbdError.Ok, i);
        }

        client.Request(3, 99, 0, 0);
        client.ExpectSimple(NbdError.Ok, 99);
        Assert.Equal(last, export.TakeKept());
    }

    /// <summary>Succeeds at once; tells what its thread has allocated; may keep the last write's payload.</summary>
    private sealed class HoldingNothing : INbdExport
    {
        private BlockBuffer? _kept;
        private long _allocatedBytes;

        public NbdExportInfo Info { get; } = new() { Name = TestServer.VolumeName, SizeBytes = 64 << 20 };

        public bool KeepsPayload { get; init; }

        public long AllocatedBytes => Volatile.Read(ref _allocatedBytes);

        public void Submit(ReadOnlySpan<NbdRequest> batch)
        {
            foreach (NbdRequest request in batch)
            {
                if (KeepsPayload && request.Buffer is { } buffer)
                {
                    _kept?.Release();
                    _kept = buffer.AddReference();
                }

                request.Sink.Complete(request, NbdError.Ok);
            }

            Volatile.Write(ref _allocatedBytes, GC.GetAllocatedBytesForCurrentThread());
        }

        /// <summary>The last write's bytes; gives the reference back.</summary>
        public byte[] TakeKept()
        {
            byte[] bytes = _kept!.Span.ToArray();
            _kept.Release();
            _kept = null;
            return bytes;
        }
    }
}
