using System.Net.Sockets;
using BlockRepl.Cli.Demo;
using BlockRepl.Nbd;

namespace BlockRepl.Cli.Tests.Demo;

/// <summary>The demonstration's client against the real server.</summary>
public sealed class NbdClientTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Writes_reads_and_flushes_go_through_with_many_in_flight()
    {
        using var export = new MemoryExport(4 << 20);
        using var client = NbdClient.Connect(export.SocketPath, MemoryExport.Name);
        Assert.Equal(4 << 20, client.SizeBytes);
        Assert.True(client.Flags.HasFlag(NbdTransmissionFlags.SendForceUnitAccess | NbdTransmissionFlags.CanMultiConnection));

        var written = Enumerable.Range(0, 64).Select(i => client.WriteAsync(i * 65536L, Bytes(i), forceUnitAccess: i % 4 == 0)).ToList();
        Assert.All(await Task.WhenAll(written).WaitAsync(Patience), e => Assert.Equal(NbdError.Ok, e));
        Assert.Equal(NbdError.Ok, await client.FlushAsync().WaitAsync(Patience));
        Assert.Equal((16, 1), (export.ForcedWrites, export.Flushes));

        var buffers = Enumerable.Range(0, 64).Select(_ => new byte[65536]).ToList();
        var read = buffers.Select((b, i) => client.ReadAsync(i * 65536L, b)).ToList();
        Assert.All(await Task.WhenAll(read).WaitAsync(Patience), e => Assert.Equal(NbdError.Ok, e));
        for (var i = 0; i < 64; i++)
            Assert.True(buffers[i].AsSpan().SequenceEqual(Bytes(i)), $"block {i} reads as something else");
    }

    [Fact]
    public async Task An_error_is_an_answer_and_the_stream_stays_in_step()
    {
        using var export = new MemoryExport(1 << 20);
        using var client = NbdClient.Connect(export.SocketPath, MemoryExport.Name);
        Assert.Equal(NbdError.EINVAL, await client.ReadAsync(1 << 20, new byte[4096]).WaitAsync(Patience));
        export.FailAfter(0);
        Assert.Equal(NbdError.EIO, await client.WriteAsync(0, new byte[4096]).WaitAsync(Patience));
        Assert.Equal(NbdError.Ok, await client.ReadAsync(0, new byte[4096]).WaitAsync(Patience));
    }

    [Fact]
    public async Task Without_a_server_a_request_fails_and_is_not_answered()
    {
        using var export = new MemoryExport(1 << 20);
        using var client = NbdClient.Connect(export.SocketPath, MemoryExport.Name);
        export.Stop();
        await Assert.ThrowsAsync<IOException>(() => client.WriteAsync(0, new byte[4096]).WaitAsync(Patience));
        await Assert.ThrowsAsync<IOException>(() => client.FlushAsync().WaitAsync(Patience));
        Assert.ThrowsAny<SocketException>(() => NbdClient.Connect(export.SocketPath, MemoryExport.Name));
    }

    [Fact]
    public void A_refused_export_is_refused_in_the_servers_words()
    {
        using var export = new MemoryExport(1 << 20);
        var refusal = Assert.Throws<IOException>(() => NbdClient.Connect(export.SocketPath, "demo/other"));
        Assert.Contains("there is no export demo/other here", refusal.Message, StringComparison.Ordinal);
    }

    private static byte[] Bytes(int seed)
    {
        var bytes = new byte[65536];
        BlockPattern.Fill(bytes.AsSpan(0, 4096), 1, seed, 1);
        bytes[^1] = (byte)seed;
        return bytes;
    }
}
