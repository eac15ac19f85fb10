using System.Net;
using System.Net.Sockets;

namespace BlockRepl.Tests;

/// <summary>
/// Ports of 127.0.0.1 for daemons under test, by number and known before anything listens. Below those that the kernel gives to connections by itself (32768 and up), and none twice in a process: a port that
/// was only bound to 0 and let go again may be a connection's by the time the daemon wants it, or wants it back.
/// </summary>
internal static class FreePorts
{
    private const int First = 10_000;
    private const int Count = 20_000;

    private static int _last = Random.Shared.Next(Count);

    /// <summary>The next one that nobody listens on. Any thread.</summary>
    public static int Next()
    {
        while (true)
        {
            int port = First + (int)((uint)Interlocked.Increment(ref _last) % Count);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Somebody's.
            }
        }
    }
}
