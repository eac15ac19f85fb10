using System.Net.Sockets;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Conformance.Server;

/// <summary>A server of its own for each test, on a unix socket in a directory of its own, with one 64 MiB volume.</summary>
internal sealed class TestServer : IDisposable
{
    public const string VolumeName = "mail/db";

    public TestServer(long size = 64 << 20, NbdServerOptions? options = null, INbdExport? export = null, ILogger<NbdServer>? logger = null)
    {
        Folder = Directory.CreateTempSubdirectory("nbd-").FullName;
        SocketPath = Path.Combine(Folder, "nbd.sock");
        Export = export ?? new FileExport(Path.Combine(Folder, "volume"), VolumeName, size);
        Source.Exports[VolumeName] = Export;
        Server = new NbdServer(Source, options ?? new NbdServerOptions(), logger ?? NullLogger<NbdServer>.Instance);
        Server.ListenUnix(SocketPath);
    }

    public string Folder { get; }

    public string SocketPath { get; }

    public string Uri => $"nbd+unix:///{VolumeName}?socket={SocketPath}";

    public TestSource Source { get; } = new();

    public INbdExport Export { get; }

    public FileExport File => (FileExport)Export;

    public NbdServer Server { get; }

    public string PathOf(string name) => Path.Combine(Folder, name);

    public RawClient Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
        return new RawClient(socket);
    }

    public static RawClient Connect(System.Net.IPEndPoint endpoint)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(endpoint);
        return new RawClient(socket);
    }

    public void Dispose()
    {
        bool isDrained = Server.Stop("the test is over");
        Server.Dispose();
        (Export as IDisposable)?.Dispose();
        Directory.Delete(Folder, recursive: true);
        Assert.True(isDrained, "requests were left at the export");
        Assert.Equal(0, Source.OpenCount);
        Assert.Equal(0, BlockBufferPool.Shared.Rented(BufferPurpose.NbdRead));
        Assert.Equal(0, BlockBufferPool.Shared.Rented(BufferPurpose.NbdWrite));
    }
}
