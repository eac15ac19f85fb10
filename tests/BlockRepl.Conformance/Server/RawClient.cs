using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using BlockRepl.Nbd;

namespace BlockRepl.Conformance.Server;

/// <summary>An NBD client that does what it is told, right or wrong. Everything it waits for has a deadline.</summary>
internal sealed class RawClient : IDisposable
{
    public const int DeadlineMs = 20_000; // contract.md: a bad client gets an error or a hang-up within 20 s
    private readonly Socket _socket;

    public RawClient(Socket socket)
    {
        _socket = socket;
        _socket.ReceiveTimeout = DeadlineMs;
        _socket.SendTimeout = DeadlineMs;
    }

    public Socket Socket => _socket;

    public void Send(params byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
            sent += _socket.Send(bytes.AsSpan(sent));
    }

    public byte[] Receive(int count)
    {
        byte[] bytes = new byte[count];
        for (int got = 0; got < count;)
        {
            int now = _socket.Receive(bytes.AsSpan(got));
            if (now == 0)
                throw new EndOfStreamException($"the server hung up after {got} of {count} bytes");
            got += now;
        }

        return bytes;
    }

    /// <summary>Reads until the server hangs up.</summary>
    public void ExpectHangUp()
    {
        byte[] bytes = new byte[65536];
        try
        {
            while (_socket.Receive(bytes) > 0)
            {
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
        }
    }

    public void ExpectNothingMore() => Assert.False(_socket.Poll(50_000, SelectMode.SelectRead) && _socket.Available > 0);

    /// <summary>Greeting and client flags.</summary>
    public RawClient Greet(uint flags = 3)
    {
        byte[] greeting = Receive(18);
        Assert.Equal("NBDMAGICIHAVEOPT\0\u0003", Encoding.ASCII.GetString(greeting));
        Send(Big(flags));
        return this;
    }

    public void SendOption(uint option, params byte[] data) =>
        Send([.. Big(NbdWire.OptionMagic), .. Big(option), .. Big((uint)data.Length), .. data]);

    public (uint Reply, byte[] Data) ReceiveOptionReply(uint option)
    {
        byte[] head = Receive(20);
        Assert.Equal(NbdWire.OptionReplyMagic, BinaryPrimitives.ReadUInt64BigEndian(head));
        Assert.Equal(option, BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)));
        return (BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(12)), Receive((int)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(16))));
    }

    public RawClient Structured()
    {
        SendOption((uint)NbdOption.StructuredReply);
        Assert.Equal((uint)NbdOptionReply.Ack, ReceiveOptionReply((uint)NbdOption.StructuredReply).Reply);
        return this;
    }

    /// <summary>GO; returns the transmission flags.</summary>
    public RawClient Go(string name = TestServer.VolumeName)
    {
        SendOption((uint)NbdOption.Go, [.. Text(name), 0, 0]);
        while (true)
        {
            (uint reply, byte[] data) = ReceiveOptionReply((uint)NbdOption.Go);
            if (reply == (uint)NbdOptionReply.Ack)
                return this;
            if (reply != (uint)NbdOptionReply.Info)
                throw new InvalidOperationException(Encoding.UTF8.GetString(data));
        }
    }

    public void Request(ushort command, ulong cookie, ulong offset, uint length, ushort flags = 0, byte[]? payload = null) =>
        Send(RequestBytes(command, cookie, offset, length, flags, payload));

    public static byte[] RequestBytes(ushort command, ulong cookie, ulong offset, uint length, ushort flags = 0, byte[]? payload = null) =>
        [.. Big(NbdWire.RequestMagic), .. Big(flags), .. Big(command), .. Big(cookie), .. Big(offset), .. Big(length), .. payload ?? []];

    public (NbdError Error, ulong Cookie) ReceiveSimple()
    {
        byte[] reply = Receive(16);
        Assert.Equal(NbdWire.SimpleReplyMagic, BinaryPrimitives.ReadUInt32BigEndian(reply));
        return ((NbdError)BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(4)), BinaryPrimitives.ReadUInt64BigEndian(reply.AsSpan(8)));
    }

    public void ExpectSimple(NbdError error, ulong cookie) => Assert.Equal((error, cookie), ReceiveSimple());

    /// <summary>Proves that the stream is in step: a write and a read of it go through.</summary>
    public void ExpectInStep(ulong offset = 8192)
    {
        byte[] data = [.. Enumerable.Range(0, 4096).Select(i => (byte)(i * 7))];
        Request(1, 901, offset, 4096, payload: data);
        ExpectSimple(NbdError.Ok, 901);
        Request(0, 902, offset, 4096);
        ExpectSimple(NbdError.Ok, 902);
        Assert.Equal(data, Receive(4096));
    }

    public static byte[] Text(string text) => [.. Big((uint)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] Big(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Big(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Big(ushort value) => [(byte)(value >> 8), (byte)value];

    public void Dispose() => _socket.Dispose();
}
