using System.Net.Sockets;
using BlockRepl.Conformance.Server;
using BlockRepl.Daemon.Nbd;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Conformance;

/// <summary>Hard part 26: sockets of a dead server never stop a new one, and a live one's are never taken.</summary>
public sealed class ListenerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nbd-").FullName;
    private readonly NbdServer _server = new(new TestSource(), new NbdServerOptions(), NullLogger<NbdServer>.Instance);

    private string SocketPath => Path.Combine(_folder, "nbd.sock");

    public void Dispose()
    {
        _server.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void The_socket_has_mode_0660_and_goes_with_the_server()
    {
        _server.ListenUnix(SocketPath);
        const UnixFileMode Expected = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
        Assert.Equal(Expected, File.GetUnixFileMode(SocketPath));
        Assert.True(_server.Stop("test"));
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public void A_dead_servers_socket_is_replaced()
    {
        // Bound by a process that is gone, so that nothing unlinked it.
        Tool.Run("/usr/bin/python3", "-c", $"import socket; s = socket.socket(socket.AF_UNIX); s.bind('{SocketPath}'); s.listen()");
        Assert.True(File.Exists(SocketPath));
        _server.ListenUnix(SocketPath);
        using RawClient client = Connect();
        client.Greet();
    }

    [Fact]
    public void A_living_servers_socket_is_not_taken()
    {
        _server.ListenUnix(SocketPath);
        using var second = new NbdServer(new TestSource(), new NbdServerOptions(), NullLogger<NbdServer>.Instance);
        NbdListenException refusal = Assert.Throws<NbdListenException>(() => second.ListenUnix(SocketPath));
        Assert.Contains("belongs to another running server", refusal.Message);
        using RawClient client = Connect();
        client.Greet();
    }

    [Fact]
    public void A_living_socket_of_another_kind_of_server_is_not_taken()
    {
        using var other = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(SocketPath));
        other.Listen();
        Assert.Throws<NbdListenException>(() => _server.ListenUnix(SocketPath));
        Assert.True(File.Exists(SocketPath));
    }

    [Fact]
    public void A_file_that_is_no_socket_is_not_deleted()
    {
        File.WriteAllText(SocketPath, "precious");
        Assert.Throws<NbdListenException>(() => _server.ListenUnix(SocketPath));
        Assert.Equal("precious", File.ReadAllText(SocketPath));
    }

    [Fact]
    public void A_path_that_is_too_long_is_refused_by_name()
    {
        NbdListenException refusal = Assert.Throws<NbdListenException>(
            () => _server.ListenUnix(Path.Combine(_folder, new string('x', 120))));
        Assert.Contains("too long", refusal.Message);
    }

    [Fact]
    public void A_taken_tcp_port_is_refused()
    {
        int port = _server.ListenTcp(new(System.Net.IPAddress.Loopback, 0)).Port;
        Assert.Throws<NbdListenException>(() => _server.ListenTcp(new(System.Net.IPAddress.Loopback, port)));
    }

    private RawClient Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
        return new RawClient(socket);
    }
}
