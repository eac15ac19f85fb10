using System.Net.Sockets;
using BlockRepl.Conformance.Server;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Conformance;

/// <summary>Clients that are silent, slow, greedy or many. Short time-outs, so that the tests wait for events, not for defaults.</summary>
public sealed class SlowClientTests
{
    private static readonly NbdServerOptions Impatient = new()
    {
        NegotiationTimeout = TimeSpan.FromMilliseconds(700),
        StallTimeout = TimeSpan.FromMilliseconds(700),
    };

    [Fact]
    public void The_defaults_keep_the_contract()
    {
        var options = new NbdServerOptions();
        var contract = TimeSpan.FromSeconds(20);
        Assert.InRange(options.NegotiationTimeout, TimeSpan.FromSeconds(5), contract - TimeSpan.FromSeconds(2));
        Assert.InRange(options.StallTimeout, TimeSpan.FromSeconds(5), contract - TimeSpan.FromSeconds(2));
    }

    [Fact]
    public void A_silent_client_is_hung_up()
    {
        using var server = new TestServer(options: Impatient);
        using RawClient client = server.Connect();
        client.ExpectHangUp();
    }

    [Fact]
    public void Dripping_bytes_do_not_prolong_the_handshake()
    {
        using var server = new TestServer(options: Impatient);
        using RawClient client = server.Connect().Greet();
        long start = Environment.TickCount64;
        byte[] option = [.. RawClient.Big(NbdWire.OptionMagic), .. RawClient.Big(3u), .. RawClient.Big(60000u), .. new byte[60000]];
        try
        {
            for (int i = 0; i < option.Length && Environment.TickCount64 - start < RawClient.DeadlineMs; i++)
            {
                client.Send(option[i]);
                client.Socket.Poll(20_000, SelectMode.SelectError); // paces the drip
            }
        }
        catch (SocketException)
        {
            // hung up
        }

        Assert.InRange(Environment.TickCount64 - start, 300, 5000);
    }

    [Fact]
    public void A_client_that_does_not_read_the_handshake_is_hung_up()
    {
        using var server = new TestServer(options: Impatient);
        for (int i = 0; i < 200; i++)
            server.Source.Exports[$"mail/{i}-{new string('x', 200)}"] = server.Export;
        using RawClient client = server.Connect().Greet();
        client.Send([.. Enumerable.Range(0, 100).SelectMany(_ => (byte[])[.. RawClient.Big(NbdWire.OptionMagic), .. RawClient.Big(3u), .. RawClient.Big(0u)])]);
        Assert.True(SpinWait.SpinUntil(() => server.Server.ConnectionCount == 0, RawClient.DeadlineMs));
    }

    [Fact]
    public void An_idle_client_is_left_alone()
    {
        using var server = new TestServer(options: Impatient);
        using RawClient client = server.Connect().Greet().Go();
        using RawClient silent = server.Connect();
        silent.ExpectHangUp(); // a whole time-out has passed
        using RawClient silentToo = server.Connect();
        silentToo.ExpectHangUp();
        client.ExpectInStep();
    }

    [Theory]
    [InlineData(10)]
    [InlineData(28 + 100)]
    public void A_client_that_stops_within_a_request_is_hung_up(int bytes)
    {
        using var server = new TestServer(options: Impatient);
        using RawClient client = server.Connect().Greet().Go();
        client.Send(RawClient.RequestBytes(1, 1, 0, 4096, payload: new byte[4096])[..bytes]);
        client.ExpectHangUp();
    }

    [Fact]
    public void A_client_that_never_reads_is_hung_up_and_costs_bounded_memory()
    {
        var options = Impatient with { StallTimeout = TimeSpan.FromSeconds(2), InFlightBytesMax = 4 << 20 };
        using var server = new TestServer(options: options);
        using RawClient client = server.Connect().Greet().Go();
        long rentedMax = 0;
        long start = Environment.TickCount64;
        ulong sent = 0;
        try
        {
            client.Socket.Blocking = false;
            while (Environment.TickCount64 - start < RawClient.DeadlineMs)
            {
                rentedMax = Math.Max(rentedMax, BlockBufferPool.Shared.Rented(BufferPurpose.NbdRead));
                if (!client.Socket.Poll(100_000, SelectMode.SelectWrite))
                    continue;
                client.Socket.Send(RawClient.RequestBytes(0, sent++, 0, 1 << 20));
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is not SocketError.WouldBlock)
        {
            // hung up
        }

        Assert.InRange(Environment.TickCount64 - start, 1500, 10_000);
        Assert.InRange(rentedMax, 1, 5); // of 1 MiB: the budget, and one that is being handed over
        using RawClient next = server.Connect().Greet().Go();
        next.ExpectInStep();
    }

    [Fact]
    public void A_slow_reader_gets_every_byte()
    {
        using var server = new TestServer();
        using RawClient client = server.Connect().Greet().Go();
        byte[] data = new byte[8 << 20];
        new Random(3).NextBytes(data);
        client.Request(1, 1, 0, (uint)data.Length, payload: data);
        client.ExpectSimple(NbdError.Ok, 1);
        for (ulong i = 0; i < 32; i++)
            client.Request(0, i, i * (256 << 10), 256 << 10);
        for (ulong i = 0; i < 32; i++)
        {
            client.ExpectSimple(NbdError.Ok, i);
            Assert.True(data.AsSpan((int)i * (256 << 10), 256 << 10).SequenceEqual(client.Receive(256 << 10)));
        }
    }

    [Fact]
    public void A_flood_of_requests_is_answered_in_full()
    {
        using var server = new TestServer();
        using RawClient client = server.Connect().Greet().Go();
        const int Count = 20_000;
        byte[] flood = [.. Enumerable.Range(0, Count).SelectMany(i => RawClient.RequestBytes(3, (ulong)i, 0, 0))];
        Task sender = Task.Run(() => client.Send(flood));
        for (ulong i = 0; i < Count; i++)
            client.ExpectSimple(NbdError.Ok, i);
        Assert.True(((IAsyncResult)sender).AsyncWaitHandle.WaitOne(RawClient.DeadlineMs));
    }

    [Fact]
    public void One_connection_too_many_is_hung_up()
    {
        using var server = new TestServer(options: new NbdServerOptions { ConnectionsMax = 2 });
        using RawClient first = server.Connect().Greet().Go();
        using RawClient second = server.Connect().Greet().Go();
        using (RawClient third = server.Connect())
            third.ExpectHangUp();
        first.ExpectInStep();
        second.ExpectInStep();
    }

    [Fact]
    public void A_client_that_was_hung_up_finds_its_place_free()
    {
        using var log = new HeldLog("left");
        using var server = new TestServer(options: new NbdServerOptions { ConnectionsMax = 1 }, logger: log);
        using (RawClient first = server.Connect().Greet().Go())
        {
            first.Request(2, 1, 0, 0);
            first.ExpectHangUp();
        }

        log.AwaitHeld(); // its thread has closed the socket, and has not ended
        using RawClient second = server.Connect().Greet().Go();
        second.ExpectInStep();
        log.LetGo();
    }

    /// <summary>Holds the thread that logs the first line with a word in it.</summary>
    private sealed class HeldLog(string word) : ILogger<NbdServer>, IDisposable
    {
        private readonly ManualResetEventSlim _held = new();
        private readonly ManualResetEventSlim _go = new();

        public void AwaitHeld() => Assert.True(_held.Wait(RawClient.DeadlineMs), $"no line says '{word}'");

        public void LetGo() => _go.Set();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (_held.IsSet || !formatter(state, exception).Contains(word, StringComparison.Ordinal))
                return;
            _held.Set();
            _ = _go.Wait(RawClient.DeadlineMs);
        }

        // Not the events: the held thread may be in one.
        public void Dispose() => LetGo();
    }
}
