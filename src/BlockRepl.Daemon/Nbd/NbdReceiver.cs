using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Nbd;

/// <summary>What a receive came to.</summary>
internal enum NbdReceived : byte
{
    /// <summary>Bytes came.</summary>
    Bytes,

    /// <summary>The client closed its side, or the connection failed.</summary>
    End,

    /// <summary>Nothing came for the stall time-out.</summary>
    Nothing,
}

/// <summary>
/// The receive buffer of one connection: as many requests as have arrived come in with one system call, and the rest of a large
/// payload goes straight to where it is wanted. Used by the connection's thread only.
/// </summary>
internal sealed unsafe class NbdReceiver
{
    /// <summary>Holds a window of 32 requests of 4 KiB with room; larger windows gain nothing on a unix socket.</summary>
    public const int BufferBytes = 256 << 10;

    private readonly int _fd;
    private readonly BlockBuffer _buffer = BlockBufferPool.Shared.Rent(BufferBytes, BufferPurpose.NbdWrite);
    private int _start;
    private int _end;

    public NbdReceiver(int fd) => _fd = fd;

    /// <summary>Bytes received and not consumed.</summary>
    public int Available => _end - _start;

    /// <summary>Those bytes.</summary>
    public ReadOnlySpan<byte> Unread => new(_buffer.Pointer + _start, _end - _start);

    /// <summary>Says that bytes were used.</summary>
    public void Consume(int count) => _start += count;

    /// <summary>Receives at least one more byte behind the unread ones; there must be room.</summary>
    public NbdReceived Fill(int flags = 0)
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_start > 0)
        {
            Unread.CopyTo(_buffer.Span); // less than a request header, but during the handshake
            _end -= _start;
            _start = 0;
        }

        NbdReceived received = Receive(_buffer.Pointer + _end, BufferBytes - _end, flags, out int count);
        _end += count;
        return received;
    }

    /// <summary>
    /// Takes exactly <paramref name="count"/> bytes: first what is here, then from the socket. Null destination throws them away.
    /// </summary>
    public NbdReceived Take(byte* destination, int count)
    {
        int here = Math.Min(count, Available);
        if (destination != null)
            Buffer.MemoryCopy(_buffer.Pointer + _start, destination, count, here);
        _start += here;
        count -= here;
        while (count > 0)
        {
            // The buffer is empty now, so bytes to be thrown away may go there.
            byte* target = destination != null ? destination + here : _buffer.Pointer;
            int room = destination != null ? count : Math.Min(count, BufferBytes);
            NbdReceived received = Receive(target, room, NbdNative.MsgWaitAll, out int now);
            if (received != NbdReceived.Bytes)
                return received;
            here += now;
            count -= now;
        }

        return NbdReceived.Bytes;
    }

    /// <summary>Gives the buffer back; nothing may be called afterwards.</summary>
    public void Release() => _buffer.Release();

    private NbdReceived Receive(byte* target, int room, int flags, out int count)
    {
        while (true)
        {
            nint received = NbdNative.Receive(_fd, target, room, flags);
            count = (int)Math.Max(0, received);
            if (received > 0)
                return NbdReceived.Bytes;
            if (received == 0)
                return NbdReceived.End;
            int errno = NbdNative.Errno;
            if (errno != NbdNative.Eintr)
                return errno == NbdNative.Eagain ? NbdReceived.Nothing : NbdReceived.End;
        }
    }
}
