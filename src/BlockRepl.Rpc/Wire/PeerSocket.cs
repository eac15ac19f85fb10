using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Wire;

/// <summary>
/// A TCP socket with blocking reads and writes that never block. One thread reads; writes are the caller's to serialise;
/// <see cref="Shutdown"/> may come from any thread and wakes both. <see cref="Close"/> is for the owner, when nobody else uses the
/// socket any more.
/// </summary>
internal sealed unsafe class PeerSocket
{
    // Enough that the network never runs dry while the sender's thread wakes up.
    private const int UnsentBytes = 128 << 10;

    private readonly int _fd;

    private PeerSocket(int fd) => _fd = fd;

    /// <summary>Makes a socket for an address family; nothing happens on the network yet.</summary>
    public static PeerSocket Create(AddressFamily family)
    {
        // The numbers of AF_INET and AF_INET6 on Linux.
        int domain = family == AddressFamily.InterNetworkV6 ? 10 : 2;
        int fd = LibC.Socket(domain, LibC.SockStream | LibC.SockCloexec | LibC.SockNonblock, 0);
        if (fd < 0)
            throw Failure("cannot make a socket");
        SetOptions(fd);
        return new PeerSocket(fd);
    }

    /// <summary>Takes over a connected, blocking descriptor.</summary>
    /// <exception cref="ChannelException">It is not a TCP socket any more; the descriptor is closed.</exception>
    public static PeerSocket Adopt(int fd)
    {
        SetOptions(fd);
        return new PeerSocket(fd);
    }

    /// <summary>Connects; blocks until it is done or <see cref="Shutdown"/> comes.</summary>
    public void Connect(IPEndPoint endpoint)
    {
        SocketAddress address = endpoint.Serialize();
        fixed (byte* bytes = address.Buffer.Span)
        {
            if (LibC.Connect(_fd, bytes, (uint)address.Size) < 0 && Marshal.GetLastPInvokeError() != LibC.EINPROGRESS)
                throw Failure("cannot connect");
        }

        WaitWritable();
        int error = 0;
        uint size = sizeof(int);
        if (LibC.GetSockOpt(_fd, LibC.SolSocket, LibC.SoError, &error, &size) < 0)
            throw Failure("cannot connect");
        if (error != 0)
            throw new ChannelException(ChannelCloseReason.NetworkFailure, $"cannot connect: {Marshal.GetPInvokeErrorMessage(error)}");
        // From here on reads block; writes say MSG_DONTWAIT themselves.
        if (LibC.Fcntl(_fd, LibC.FSetFlags, 0) < 0)
            throw Failure("cannot make the socket blocking");
    }

    /// <summary>Reads what there is into the first span, then into the second. Zero: the peer's end is closed.</summary>
    public int Receive(Span<byte> first, Span<byte> second)
    {
        fixed (byte* a = first, b = second)
        {
            LibC.IoVec* vectors = stackalloc LibC.IoVec[2];
            vectors[0] = new LibC.IoVec { Base = a, Length = (nuint)first.Length };
            vectors[1] = new LibC.IoVec { Base = b, Length = (nuint)second.Length };
            var message = new LibC.MsgHdr { Vectors = vectors, VectorCount = second.IsEmpty ? 1u : 2u };
            while (true)
            {
                nint received = LibC.RecvMsg(_fd, &message, 0);
                if (received >= 0)
                    return (int)received;
                if (Marshal.GetLastPInvokeError() != LibC.EINTR)
                    throw Failure("receive failed");
            }
        }
    }

    /// <summary>Whether bytes wait to be received, or the connection's end does.</summary>
    public bool HasUnread()
    {
        var poll = new LibC.PollFd { Fd = _fd, Events = LibC.PollIn };
        return LibC.Poll(&poll, 1, 0) > 0;
    }

    /// <summary>Sends what goes without blocking; -1 when nothing goes now.</summary>
    public int TrySend(ReadOnlySpan<LibC.IoVec> vectors)
    {
        fixed (LibC.IoVec* list = vectors)
        {
            var message = new LibC.MsgHdr { Vectors = list, VectorCount = (nuint)vectors.Length };
            while (true)
            {
                nint sent = LibC.SendMsg(_fd, &message, LibC.MsgDontWait | LibC.MsgNoSignal);
                if (sent >= 0)
                    return checked((int)sent);
                int error = Marshal.GetLastPInvokeError();
                if (error == LibC.EAGAIN)
                    return -1;
                if (error != LibC.EINTR)
                    throw Failure("send failed");
            }
        }
    }

    /// <summary>
    /// The rate of delivery that the kernel saw last, in bytes a second, if the network was what limited it: a sender that had nothing more to send tells nothing about the link
    /// (tcp_info's delivery_rate, after Cheng and others, "Delivery Rate Estimation", IETF).
    /// </summary>
    public bool TryMeasure(out long bytesPerSecond)
    {
        byte* info = stackalloc byte[LibC.TcpInfoBytes];
        uint size = LibC.TcpInfoBytes;
        bool isMeasured = LibC.GetSockOpt(_fd, LibC.IpProtoTcp, LibC.TcpInfo, (int*)info, &size) == 0
            && size == LibC.TcpInfoBytes && (info[LibC.TcpInfoFlagsAt] & LibC.TcpInfoAppLimited) == 0;
        bytesPerSecond = isMeasured ? *(long*)(info + LibC.TcpInfoDeliveryRateAt) : 0;
        return bytesPerSecond > 0;
    }

    /// <summary>Blocks until something can be sent or the socket is shut down.</summary>
    public void WaitWritable()
    {
        var poll = new LibC.PollFd { Fd = _fd, Events = LibC.PollOut };
        while (LibC.Poll(&poll, 1, -1) < 0)
            Check.That(Marshal.GetLastPInvokeError() == LibC.EINTR, "poll failed");
    }

    /// <summary>Ends both directions at once; threads blocked on the socket wake.</summary>
    public void Shutdown()
    {
        // An error means that the connection is gone already, which is what was asked for.
        _ = LibC.Shutdown(_fd, LibC.ShutBoth);
    }

    /// <summary>Gives the descriptor back.</summary>
    public void Close() => _ = LibC.Close(_fd);

    // What the kernel has taken nothing can overtake any more: it takes little more than the network does.
    private static void SetOptions(int fd)
    {
        Set(fd, LibC.TcpNoDelay, 1, "TCP_NODELAY");
        Set(fd, LibC.TcpNotSentLowAt, UnsentBytes, "TCP_NOTSENT_LOWAT");
    }

    private static void Set(int fd, int option, int value, string name)
    {
        if (LibC.SetSockOpt(fd, LibC.IpProtoTcp, option, &value, sizeof(int)) == 0)
            return;
        ChannelException failure = Failure($"cannot set {name}");
        LibC.Close(fd);
        throw failure;
    }

    private static ChannelException Failure(string what) =>
        new(ChannelCloseReason.NetworkFailure, $"{what}: {Marshal.GetLastPInvokeErrorMessage()}");
}
