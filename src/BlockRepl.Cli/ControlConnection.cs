using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace BlockRepl.Cli;

/// <summary>
/// One request and its answer over the control socket. HTTP/1.0, so that the answer ends with the connection, and blocking:
/// HttpClient takes 140 ms to start, twice as long as everything else that <c>blockrepl role</c> does, and a cluster manager runs
/// that every few seconds. Cancelling closes the socket.
/// </summary>
internal sealed class ControlConnection : IDisposable
{
    private const int HeadLengthMax = 16 * 1024;

    private readonly Socket _socket;
    private readonly CancellationTokenRegistration _cancel;
    private readonly CancellationToken _cancellationToken;
    private byte[] _buffer = new byte[HeadLengthMax];
    private int _start;
    private int _end;
    private long? _contentLength;

    /// <summary>Connects and sends the request. Throws <see cref="SocketException"/> or ArgumentException when nobody is there.</summary>
    public ControlConnection(string socketPath, string method, string pathAndQuery, byte[]? body, CancellationToken cancellationToken)
    {
        _cancellationToken = cancellationToken;
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            _socket.Connect(new UnixDomainSocketEndPoint(socketPath));
            _cancel = cancellationToken.Register(_socket.Dispose);
            var length = body is null ? "" : string.Create(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n");
            Send(Encoding.ASCII.GetBytes($"{method} {pathAndQuery} HTTP/1.0\r\n{length}\r\n"));
            Send(body ?? []);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Waits for the answer's head; true when the request was carried out. Throws <see cref="IOException"/> when none comes.</summary>
    public bool ReadHead()
    {
        int length;
        while ((length = _buffer.AsSpan(0, _end).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (_end == _buffer.Length)
                throw new IOException("the head of its answer does not end");
            if (!Fill())
                throw new IOException("it hung up");
        }
        var lines = Encoding.ASCII.GetString(_buffer, 0, length).Split("\r\n");
        _start = length + 4;
        foreach (var line in lines)
        {
            const string ContentLength = "Content-Length:";
            if (line.StartsWith(ContentLength, StringComparison.OrdinalIgnoreCase)
                && long.TryParse(line.AsSpan(ContentLength.Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture, out var value))
                _contentLength = value;
        }
        var status = lines[0].Split(' ');
        if (status.Length < 2 || !status[0].StartsWith("HTTP/1.", StringComparison.Ordinal))
            throw new IOException("its answer is not HTTP");
        return status[1] == "200";
    }

    /// <summary>The whole body. Throws <see cref="IOException"/> when it ends early.</summary>
    public byte[] ReadBody()
    {
        using var body = new MemoryStream();
        do
        {
            body.Write(_buffer, _start, _end - _start);
            _start = _end = 0;
        }
        while ((_contentLength is null || body.Length < _contentLength) && Fill());
        return body.Length == (_contentLength ?? body.Length) ? body.ToArray() : throw new IOException("it hung up in its answer");
    }

    /// <summary>The next line of a body without end; null after the last. A last line without an end is dropped: it was cut.</summary>
    public string? ReadLine()
    {
        while (true)
        {
            var length = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (length >= 0)
            {
                var line = Encoding.UTF8.GetString(_buffer, _start, length);
                _start += length + 1;
                return line;
            }
            if (!Fill())
                return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cancel.Dispose();
        _socket.Dispose();
    }

    /// <summary>Reads some more; false at the end. Makes room by moving what is unread to the front, or by growing.</summary>
    private bool Fill()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        if (_end == _buffer.Length)
            Array.Resize(ref _buffer, _buffer.Length * 2);
        try
        {
            var read = _socket.Receive(_buffer, _end, _buffer.Length - _end, SocketFlags.None);
            _end += read;
            return read > 0;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            throw new IOException(e.Message, e);
        }
    }

    private void Send(byte[] data)
    {
        for (var sent = 0; sent < data.Length;)
            sent += _socket.Send(data, sent, data.Length - sent, SocketFlags.None);
    }
}
