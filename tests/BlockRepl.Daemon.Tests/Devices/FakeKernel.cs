using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using BlockRepl.Daemon.Devices;

namespace BlockRepl.Daemon.Tests.Devices;

/// <summary>A kernel with one NBD device, which keeps its end of the link as the real one does: its own reference to the socket, and identifiers that outlive the daemon.</summary>
internal sealed partial class FakeKernel : IKernelNbd
{
    private readonly ConcurrentDictionary<int, string> _backends = [];
    private readonly Lock _lock = new();
    private Socket? _socket;
    private long _size;
    private int _dropsLeft;

    /// <summary>What FindObstacle answers.</summary>
    public string? Obstacle { get; set; }

    /// <summary>Every request, a word each.</summary>
    public ConcurrentQueue<string> Log { get; } = [];

    public string? FindObstacle() => Obstacle;

    /// <summary>As if it had not noticed yet that the old link is dead: takes this many sockets and drops them silently.</summary>
    public void DropNext(int count) => _dropsLeft = count;

    public int Connect(KernelConnect request, out int index)
    {
        index = request.Index ?? 0;
        Log.Enqueue("connect");
        _size = request.SizeBytes;
        Take(request.SocketFd);
        _backends[index] = request.Backend;
        return 0;
    }

    public int Reconnect(int index, string backend, int socketFd)
    {
        if (!_backends.TryGetValue(index, out string? own) || own != backend)
            return 22;
        Log.Enqueue("reconnect");
        if (_dropsLeft > 0)
        {
            _dropsLeft--;
            return 0;
        }

        Take(socketFd);
        return 0;
    }

    public int Resize(int index, string backend, long sizeBytes)
    {
        Log.Enqueue("resize");
        _size = sizeBytes;
        return 0;
    }

    public int Disconnect(int index)
    {
        Log.Enqueue("disconnect");
        lock (_lock)
            _socket?.Dispose();
        _backends.TryRemove(index, out _);
        return 0;
    }

    public string? BackendOf(int index) => _backends.GetValueOrDefault(index);

    public IReadOnlyList<(int Index, string Backend)> ListBackends() => [.. _backends.Select(pair => (pair.Key, pair.Value))];

    public long SizeOf(int index) => _size;

    public void SetIoTimeout(int index, int milliseconds) => Log.Enqueue($"io-timeout {milliseconds}");

    /// <summary>Writes a block through the link and waits for its answer: an NBD error number, or -1 when the link ended without one.</summary>
    public int Write(long offset, ReadOnlySpan<byte> data, uint magic = 0x25609513)
    {
        Socket socket;
        lock (_lock)
            socket = _socket!;
        byte[] request = new byte[28 + data.Length];
        BinaryPrimitives.WriteUInt32BigEndian(request, magic);
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(6), 1);
        BinaryPrimitives.WriteUInt64BigEndian(request.AsSpan(8), 7);
        BinaryPrimitives.WriteInt64BigEndian(request.AsSpan(16), offset);
        BinaryPrimitives.WriteInt32BigEndian(request.AsSpan(24), data.Length);
        data.CopyTo(request.AsSpan(28));
        try
        {
            socket.Send(request);
            byte[] reply = new byte[16];
            for (int got = 0; got < reply.Length;)
            {
                int more = socket.Receive(reply.AsSpan(got));
                if (more == 0)
                    return -1;
                got += more;
            }

            return BinaryPrimitives.ReadInt32BigEndian(reply.AsSpan(4));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return -1;
        }
    }

    private void Take(int fd)
    {
        var socket = new Socket(new SafeSocketHandle(Duplicate(fd), ownsHandle: true)) { ReceiveTimeout = 20_000 };
        lock (_lock)
        {
            _socket?.Dispose();
            _socket = socket;
        }
    }

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Duplicate(int fd);
}
