using System.Net.Sockets;
using BlockRepl.Conformance.Server;

namespace BlockRepl.Conformance;

/// <summary>What a client may conclude from the server's hang-up.</summary>
public sealed class HangUpTests
{
    private const ushort Disconnect = 2;

    [Fact]
    public void The_export_is_closed_before_the_client_sees_the_hang_up()
    {
        using var server = new TestServer();
        using RawClient client = server.Connect().Greet().Go();
        bool? sawHangUp = null;
        server.Source.OnClosed = () => sawHangUp = client.Socket.Poll(0, SelectMode.SelectRead);

        client.Request(Disconnect, 1, 0, 0);
        client.ExpectHangUp();
        Assert.False(sawHangUp);
        Assert.Equal(0, server.Source.OpenCount);
    }
}
