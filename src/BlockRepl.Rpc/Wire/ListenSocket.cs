using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace BlockRepl.Rpc.Wire;

/// <summary>A listening TCP socket with a blocking accept. One thread accepts; <see cref="Shutdown"/> may come from any and wakes it.</summary>
internal sealed unsafe class ListenSocket : IDisposable
{
    private const int Backlog = 64;
    private const int AddressBytesMax = 128;

    private readonly Socket _socket;

    /// <exception cref="IOException">The address is in use or not this machine's.</exception>
    public ListenSocket(IPEndPoint endpoint)
    {
        _socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // .NET sets SO_REUSEADDR on Linux when it binds a TCP listener: a port in TIME_WAIT is no obstacle, another listener is.
            _socket.Bind(endpoint);
            _socket.Listen(Backlog);
        }
        catch (SocketException e)
        {
            _socket.Dispose();
            throw new IOException(e.Message, e);
        }

        Endpoint = (IPEndPoint)_socket.LocalEndPoint!;
    }

    /// <summary>Where it listens, with the port that was taken.</summary>
    public IPEndPoint Endpoint { get; }

    /// <summary>Blocks until somebody connects; null once it is shut down, or when this process has no room for a connection now.</summary>
    /// <param name="isExhausted">Nobody was accepted for want of descriptors or memory; it may be different later.</param>
    public (PeerSocket Socket, IPEndPoint Remote)? Accept(out bool isExhausted)
    {
        isExhausted = false;
        byte* bytes = stackalloc byte[AddressBytesMax];
        while (true)
        {
            uint length = AddressBytesMax;
            int fd = LibC.Accept((int)_socket.SafeHandle.DangerousGetHandle(), bytes, &length, LibC.SockCloexec);
            if (fd >= 0)
                return (PeerSocket.Adopt(fd), Parse(new ReadOnlySpan<byte>(bytes, (int)length)));
            switch (Marshal.GetLastPInvokeError())
            {
                case LibC.EINVAL:
                    return null;
                case LibC.EMFILE or LibC.ENFILE or LibC.ENOBUFS or LibC.ENOMEM:
                    isExhausted = true;
                    return null;
                default:
                    // A connection that was gone again before it was taken (accept(2) lists the errors of the network that mean so).
                    break;
            }
        }
    }

    /// <summary>Ends listening; the thread in <see cref="Accept"/> wakes.</summary>
    public void Shutdown() => _ = LibC.Shutdown((int)_socket.SafeHandle.DangerousGetHandle(), LibC.ShutBoth);

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private IPEndPoint Parse(ReadOnlySpan<byte> address)
    {
        var parsed = new SocketAddress(Endpoint.AddressFamily, address.Length);
        address.CopyTo(parsed.Buffer.Span);
        return (IPEndPoint)Endpoint.Create(parsed);
    }
}
