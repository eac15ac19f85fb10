using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using BlockRepl.Nbd;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// A small NBD client: fixed newstyle, GO, simple replies, over a unix socket, any number of requests in flight. Thread-safe.
/// One thread of its own reads the replies. A connection that ends makes every unanswered request fail with
/// <see cref="IOException"/>: such a request may have been carried out or not.
/// </summary>
internal sealed class NbdClient : IDisposable
{
    /// <summary>Largest payload of one request here; far below what any server must accept.</summary>
    public const int PayloadBytesMax = 1 << 20;

    private readonly Socket _socket;
    private readonly Stream _replies;
    private readonly Thread _receiver;
    private readonly Lock _sendLock = new();
    private readonly byte[] _sendBuffer = new byte[NbdWire.RequestBytes + PayloadBytesMax];
    private readonly Dictionary<ulong, Pending> _pending = []; // its own lock; emptied for good once _end is set
    private ulong _lastCookie;
    private string? _end;

    private NbdClient(Socket socket)
    {
        _socket = socket;
        _replies = new BufferedStream(new NetworkStream(socket), 64 << 10);
        _receiver = new Thread(ReceiveReplies) { IsBackground = true, Name = "demo NBD replies" };
    }

    /// <summary>Size of the export.</summary>
    public long SizeBytes { get; private set; }

    /// <summary>What the export can do.</summary>
    public NbdTransmissionFlags Flags { get; private set; }

    /// <summary>
    /// Connects and opens an export. Throws <see cref="SocketException"/> where nobody listens, <see cref="IOException"/> where
    /// the server hangs up or refuses, with the server's own words.
    /// </summary>
    public static NbdClient Connect(string socketPath, string export)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
            var client = new NbdClient(socket);
            client.Greet();
            client.Go(export);
            client._receiver.Start();
            return client;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Writes; <paramref name="forceUnitAccess"/> makes the answer wait until the data is stable. <paramref name="data"/> is copied.</summary>
    public Task<NbdError> WriteAsync(long offset, ReadOnlySpan<byte> data, bool forceUnitAccess = false) =>
        SendAsync(forceUnitAccess ? NbdCommandFlags.ForceUnitAccess : NbdCommandFlags.None, NbdCommand.Write, offset, data.Length, data, default);

    /// <summary>Reads into <paramref name="destination"/>, which must stay untouched until the answer.</summary>
    public Task<NbdError> ReadAsync(long offset, Memory<byte> destination) =>
        SendAsync(NbdCommandFlags.None, NbdCommand.Read, offset, destination.Length, default, destination);

    /// <summary>Makes everything stable that was answered before.</summary>
    public Task<NbdError> FlushAsync() => SendAsync(NbdCommandFlags.None, NbdCommand.Flush, 0, 0, default, default);

    /// <summary>Says goodbye where the server is still there, and hangs up.</summary>
    public void Dispose()
    {
        try
        {
            lock (_sendLock)
                Send(_sendBuffer.AsSpan(0, EncodeRequest(NbdCommandFlags.None, NbdCommand.Disconnect, 0, 0, 0)));
            // The server answers what is in flight and hangs up; reading its end keeps it from writing into a closed socket.
            _socket.Shutdown(SocketShutdown.Send);
            _receiver.Join(TimeSpan.FromSeconds(5));
        }
        catch (SocketException)
        {
            // The server is gone: nobody to say goodbye to.
        }
        _socket.Dispose();
        _receiver.Join();
        _replies.Dispose();
    }

    private void Greet()
    {
        Span<byte> greeting = stackalloc byte[8 + 8 + 2];
        _replies.ReadExactly(greeting);
        if (BinaryPrimitives.ReadUInt64BigEndian(greeting) != NbdWire.Magic
            || BinaryPrimitives.ReadUInt64BigEndian(greeting[8..]) != NbdWire.OptionMagic
            || (BinaryPrimitives.ReadUInt16BigEndian(greeting[16..]) & NbdWire.FlagFixedNewstyle) == 0)
            throw new IOException("this is no fixed newstyle NBD server");
        Span<byte> flags = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(flags, NbdWire.FlagFixedNewstyle | NbdWire.FlagNoZeroes);
        Send(flags);
    }

    private void Go(string export)
    {
        var name = Encoding.UTF8.GetBytes(export);
        var option = new byte[NbdWire.OptionHeaderBytes + 4 + name.Length + 2];
        BinaryPrimitives.WriteUInt64BigEndian(option, NbdWire.OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(8), (uint)NbdOption.Go);
        BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(12), (uint)(4 + name.Length + 2));
        BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(16), (uint)name.Length);
        name.CopyTo(option, 20); // and no information requests: the last two bytes are 0
        Send(option);
        while (true)
        {
            var (reply, data) = ReadOptionReply();
            switch (reply)
            {
                case NbdOptionReply.Ack:
                    return;
                case NbdOptionReply.Info when data.Length >= 12 && BinaryPrimitives.ReadUInt16BigEndian(data) == (ushort)NbdInfoType.Export:
                    SizeBytes = (long)BinaryPrimitives.ReadUInt64BigEndian(data.AsSpan(2));
                    Flags = (NbdTransmissionFlags)BinaryPrimitives.ReadUInt16BigEndian(data.AsSpan(10));
                    break;
                case NbdOptionReply.Info:
                    break; // a fact that nobody here needs
                default:
                    throw new IOException($"the server refuses the export {export}: {Encoding.UTF8.GetString(data)} ({reply})");
            }
        }
    }

    private (NbdOptionReply Reply, byte[] Data) ReadOptionReply()
    {
        Span<byte> head = stackalloc byte[NbdWire.OptionReplyHeaderBytes];
        _replies.ReadExactly(head);
        var length = BinaryPrimitives.ReadUInt32BigEndian(head[16..]);
        if (BinaryPrimitives.ReadUInt64BigEndian(head) != NbdWire.OptionReplyMagic || length > NbdLimits.OptionBytesMax)
            throw new IOException("the server's answer to an option makes no sense");
        var data = new byte[length];
        _replies.ReadExactly(data);
        return ((NbdOptionReply)BinaryPrimitives.ReadUInt32BigEndian(head[12..]), data);
    }

    private Task<NbdError> SendAsync(
        NbdCommandFlags flags, NbdCommand command, long offset, int length, ReadOnlySpan<byte> payload, Memory<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, PayloadBytesMax);
        var pending = new Pending(new TaskCompletionSource<NbdError>(TaskCreationOptions.RunContinuationsAsynchronously), destination);
        lock (_sendLock)
        {
            var cookie = ++_lastCookie;
            lock (_pending)
            {
                if (_end is not null)
                    return Task.FromException<NbdError>(new IOException(_end));
                _pending.Add(cookie, pending);
            }
            var head = EncodeRequest(flags, command, cookie, offset, length);
            payload.CopyTo(_sendBuffer.AsSpan(head));
            try
            {
                Send(_sendBuffer.AsSpan(0, head + payload.Length));
            }
            catch (SocketException)
            {
                // The server is gone, but its answers to earlier requests may still be unread: the receiver takes those, then
                // meets the end and fails the rest, this request among them.
            }
        }
        return pending.Answer.Task;
    }

    private int EncodeRequest(NbdCommandFlags flags, NbdCommand command, ulong cookie, long offset, int length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_sendBuffer, NbdWire.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(_sendBuffer.AsSpan(4), (ushort)flags);
        BinaryPrimitives.WriteUInt16BigEndian(_sendBuffer.AsSpan(6), (ushort)command);
        BinaryPrimitives.WriteUInt64BigEndian(_sendBuffer.AsSpan(8), cookie);
        BinaryPrimitives.WriteUInt64BigEndian(_sendBuffer.AsSpan(16), (ulong)offset);
        BinaryPrimitives.WriteUInt32BigEndian(_sendBuffer.AsSpan(24), (uint)length);
        return NbdWire.RequestBytes;
    }

    private void ReceiveReplies()
    {
        Span<byte> head = stackalloc byte[NbdWire.SimpleReplyBytes];
        try
        {
            while (true)
            {
                _replies.ReadExactly(head);
                var cookie = BinaryPrimitives.ReadUInt64BigEndian(head[8..]);
                Pending? pending;
                lock (_pending)
                    _pending.Remove(cookie, out pending);
                if (BinaryPrimitives.ReadUInt32BigEndian(head) != NbdWire.SimpleReplyMagic || pending is null)
                {
                    End("the server's answer makes no sense");
                    pending?.Answer.TrySetException(new IOException(_end));
                    return;
                }
                ReceiveOne((NbdError)BinaryPrimitives.ReadUInt32BigEndian(head[4..]), pending);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            End(e is EndOfStreamException ? "the server hung up" : e.Message);
        }
    }

    private void ReceiveOne(NbdError error, Pending pending)
    {
        try
        {
            if (error == NbdError.Ok)
                _replies.ReadExactly(pending.Destination.Span);
            pending.Answer.TrySetResult(error);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            pending.Answer.TrySetException(new IOException(e.Message, e));
            throw;
        }
    }

    private void End(string why)
    {
        Pending[] unanswered;
        lock (_pending)
        {
            _end ??= why;
            unanswered = [.. _pending.Values];
            _pending.Clear();
        }
        foreach (var pending in unanswered)
            pending.Answer.TrySetException(new IOException(_end));
    }

    private void Send(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
            data = data[_socket.Send(data)..];
    }

    private sealed record Pending(TaskCompletionSource<NbdError> Answer, Memory<byte> Destination);
}
