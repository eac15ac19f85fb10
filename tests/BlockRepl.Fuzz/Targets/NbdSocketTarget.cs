using System.Net.Sockets;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Fuzz.Engine;
using BlockRepl.Nbd;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Fuzz.Targets;

/// <summary>The NBD server behind a socket: it answers or hangs up, nothing in it throws, and the next honest client is served.</summary>
internal sealed class NbdSocketTarget : FuzzTarget
{
    private const int PatienceMs = 20_000;
    // Threads whose client has seen the hang-up and that have not quite ended.
    private const int LeavingMax = 32;

    private readonly INbdExportSource _exports = new MemoryExports();
    private readonly string _path = Path.Combine(Directory.CreateTempSubdirectory("blockrepl-fuzz-").FullName, "nbd.sock");
    private readonly Lazy<NbdServer> _server;
    private readonly RecentLines _log = new();
    private Exception? _bug;

    public NbdSocketTarget() => _server = new Lazy<NbdServer>(() =>
    {
        var server = new NbdServer(_exports, new NbdServerOptions { OnBug = bug => _bug = bug }, _log);
        server.ListenUnix(_path);
        return server;
    });

    public override string Name => "nbd-socket";

    public override int MillisecondsMax => 30_000;

    public override byte[] Make(Prng chance) => NbdForge.Session(chance, goes: !chance.OneIn(4));

    public override void Run(byte[] input)
    {
        _ = _server.Value;
        Talk(input, hangsUp: true);
        Check();
        byte[] said = Talk(NbdForge.Honest(), hangsUp: false);
        Check();
        // The messages are made only when they are needed: what a case allocates is bounded.
        if (said.Length <= 4096)
            Assert.Fail($"an honest client is not served: it got {said.Length} bytes, {Convert.ToHexString(said)}; the server says: {_log}");
        if (!SpinWait.SpinUntil(() => _server.Value.ConnectionCount <= LeavingMax, PatienceMs))
            Assert.Fail($"{_server.Value.ConnectionCount} connections stay; the server says: {_log}");
    }

    private void Check()
    {
        if (_bug is { } bug)
            throw new InvalidOperationException("a connection's thread threw", bug);
    }

    // Says all and listens until the server hangs up. One that ends its half counts as gone at once: what it asked for may be left undone (hard part 8); an honest one says goodbye.
    private byte[] Talk(byte[] input, bool hangsUp)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = PatienceMs, SendTimeout = PatienceMs };
        socket.Connect(new UnixDomainSocketEndPoint(_path));
        Task sending = Task.Run(() =>
        {
            try
            {
                socket.Send(input);
                if (hangsUp)
                    socket.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException e) when (e.SocketErrorCode != SocketError.TimedOut)
            {
                // It hung up first.
            }
        });
        using var said = new MemoryStream();
        byte[] buffer = new byte[64 << 10];
        try
        {
            for (int count; (count = socket.Receive(buffer)) > 0;)
                said.Write(buffer, 0, count);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // A hang-up with bytes unread.
        }

        sending.GetAwaiter().GetResult();
        return said.ToArray();
    }

    /// <summary>What the server said last, kept for a failure's message: formatted only when asked for.</summary>
    private sealed class RecentLines : ILogger<NbdServer>
    {
        private readonly Queue<Func<string>> _lines = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines)
            {
                _lines.Enqueue(() => formatter(state, exception));
                if (_lines.Count > 8)
                    _ = _lines.Dequeue();
            }
        }

        public override string ToString()
        {
            lock (_lines)
                return string.Join(" | ", _lines.Select(line => line()));
        }
    }
}
