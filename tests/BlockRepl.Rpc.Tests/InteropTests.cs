using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace BlockRepl.Rpc.Tests;

/// <summary>It is gRPC: Debian's python3-grpcio talks to both halves. Without that package these tests fail.</summary>
public class InteropTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Our_dialler_talks_to_a_foreign_server(bool tls)
    {
        using Process python = Start(tls ? ["serve", TestCerts.Directory, "beta"] : ["serve"]);
        string? line = await python.StandardOutput.ReadLineAsync();
        Assert.True(int.TryParse(line, CultureInfo.InvariantCulture, out int port), line + await ErrorsAsync(python, line is null));
        var handler = new RecordingHandler();
        IPeerChannel channel = await PeerDialer.DialAsync(
            new IPEndPoint(IPAddress.Loopback, port), tls ? TestCerts.Cluster("alpha") : null, "beta", handler, Pair.ConnectTimeout, CancellationToken.None);
        foreach (int size in new[] { 0, 1, 5, 4096, 16384, 65536, 1 << 20, 5_000_001, 33 << 20 })
        {
            byte[] message = Pair.Bytes(size, size);
            Pair.Send(channel, message, Math.Min(size, 30), 3);
            byte[] back = handler.Next();
            Array.Reverse(back);
            Assert.True(message.AsSpan().SequenceEqual(back), $"{size} bytes");
        }

        channel.Close(ChannelCloseReason.Local, "done");
        await handler.Closed;
        python.StandardInput.Close();
        await python.WaitForExitAsync().WaitAsync(RecordingHandler.Patience);
        Assert.True(python.ExitCode == 0, await ErrorsAsync(python, true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_foreign_client_talks_to_our_server(bool tls)
    {
        var acceptor = new RecordingAcceptor(() => new RecordingHandler
        {
            Consumer = (channel, buffer) =>
            {
                buffer.Span.Reverse();
                channel.Send([], [new PayloadSegment(buffer, 0, buffer.Length)]);
                buffer.Release();
            },
        });
        await using PeerServer server = Pair.Listen(acceptor, tls ? TestCerts.Cluster("beta") : null);
        string port = server.Endpoint.Port.ToString(CultureInfo.InvariantCulture);
        using Process python = Start(tls ? ["dial", port, TestCerts.Directory, "alpha", "beta"] : ["dial", port]);
        string? line = await python.StandardOutput.ReadLineAsync();
        Assert.True(line == "ok", line + await ErrorsAsync(python, line is null));
        (IPeerChannel channel, RecordingHandler handler) = acceptor.Next();
        Assert.Equal(tls ? "alpha" : null, channel.AuthenticatedPeer);
        Assert.Equal(ChannelCloseReason.PeerClosed, (await handler.Closed).Reason);
    }

    private static Process Start(string[] arguments)
    {
        string script = Path.Combine(AppContext.BaseDirectory, "interop", "peer.py");
        // Debian's interpreter by its full path: another one on the PATH does not see Debian's packages.
        return Process.Start(new ProcessStartInfo("/usr/bin/python3", [script, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    private static async Task<string> ErrorsAsync(Process python, bool failed) =>
        failed ? await python.StandardError.ReadToEndAsync() + " (needs Debian's python3-grpcio)" : "";
}
