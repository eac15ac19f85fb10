using System.Diagnostics;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// A write load on one export: two connections with sixteen writers each, 4 to 64 KiB a write, one in sixteen with FUA, a flush
/// now and then. Every write goes through the model. Ends by itself when the server goes away or answers with an error.
/// </summary>
internal sealed class WriteLoad : IDisposable
{
    /// <summary>Connections; the server announces that several see one another's writes and flushes.</summary>
    public const int Connections = 2;

    /// <summary>Requests in flight on each.</summary>
    public const int DepthEach = 16;

    private const int BlocksMax = (64 << 10) / Block.Size;
    private readonly NbdClient[] _clients;
    private readonly WriteModel _model;
    private readonly HotRegions _regions;
    private readonly CancellationTokenSource _stop = new();
    private string? _failure;
    private int _unanswered;

    private WriteLoad(NbdClient[] clients, WriteModel model, HotRegions regions, ulong run)
    {
        (_clients, _model, _regions) = (clients, model, regions);
        var seeds = new Numbers(model.Seed + run);
        Finished = Task.WhenAll(clients.SelectMany(c => Enumerable.Range(0, DepthEach).Select(_ => c)).Select(client =>
        {
            var numbers = new Numbers(seeds.Next());
            return Task.Run(() => WorkAsync(client, numbers));
        }));
    }

    /// <summary>Ends when every writer has ended: stopped, refused, or without a server. Never fails.</summary>
    public Task Finished { get; }

    /// <summary>Rates, counts and latencies.</summary>
    public LoadMeter Meter { get; } = new();

    /// <summary>An answer that was no success, in words; null when there was none.</summary>
    public string? Failure => Volatile.Read(ref _failure);

    /// <summary>Requests that the server took with it.</summary>
    public int Unanswered => Volatile.Read(ref _unanswered);

    /// <summary>
    /// Connects and begins. <paramref name="run"/> tells the loads on one model apart: each has its own row of numbers, all from
    /// the one seed. Throws what <see cref="NbdClient.Connect"/> throws.
    /// </summary>
    public static WriteLoad Start(string socketPath, string export, WriteModel model, HotRegions regions, ulong run)
    {
        var clients = new List<NbdClient>();
        try
        {
            for (var i = 0; i < Connections; i++)
                clients.Add(NbdClient.Connect(socketPath, export));
        }
        catch
        {
            clients.ForEach(c => c.Dispose());
            throw;
        }
        return new WriteLoad([.. clients], model, regions, run);
    }

    /// <summary>Lets every writer finish the request that it waits for.</summary>
    public void Stop() => _stop.Cancel();

    /// <summary>Hangs up.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        foreach (var client in _clients)
            client.Dispose();
        _stop.Dispose();
    }

    private async Task WorkAsync(NbdClient client, Numbers numbers)
    {
        var buffer = new byte[BlocksMax * Block.Size];
        try
        {
            for (var turn = 1; !_stop.IsCancellationRequested; turn++)
            {
                if (turn % 100 == 0)
                    await FlushAsync(client);
                else
                    await WriteAsync(client, buffer, ref numbers);
            }
        }
        catch (IOException)
        {
            // The server is gone. Whoever runs the load knows whether it was killed.
            Interlocked.Increment(ref _unanswered);
        }
    }

    private Task WriteAsync(NbdClient client, byte[] buffer, ref Numbers numbers)
    {
        // Two of three writes are a single block, as a database's are.
        long first;
        int count;
        ulong version;
        do
        {
            count = numbers.Below(3) > 0 ? 1 : 1 + numbers.Below(BlocksMax);
            first = _regions.FirstBlock(numbers.Below(HotRegions.Count)) + numbers.Below(HotRegions.BlocksEach - count + 1);
        }
        while (!_model.TryBegin(first, count, out version));
        for (var i = 0; i < count; i++)
            BlockPattern.Fill(buffer.AsSpan(i * Block.Size, Block.Size), _model.Seed, first + i, version);
        return SendAsync(client, buffer.AsMemory(0, count * Block.Size), first, count, version, isForced: numbers.Below(16) == 0);
    }

    private async Task SendAsync(NbdClient client, ReadOnlyMemory<byte> data, long first, int count, ulong version, bool isForced)
    {
        var start = Stopwatch.GetTimestamp();
        var error = await client.WriteAsync(first * Block.Size, data.Span, isForced);
        if (error == NbdError.Ok)
        {
            _model.Acknowledge(first, count, version);
            Meter.Wrote(data.Length, Stopwatch.GetElapsedTime(start));
        }
        else
        {
            Fail($"a write of blocks {first} to {first + count - 1}, version {version}, was answered with {error} [seed {_model.Seed}]");
        }
    }

    private async Task FlushAsync(NbdClient client)
    {
        var error = await client.FlushAsync();
        if (error == NbdError.Ok)
            Meter.Flushed();
        else
            Fail($"a flush was answered with {error}");
    }

    private void Fail(string what)
    {
        Interlocked.CompareExchange(ref _failure, what, null);
        _stop.Cancel();
    }
}
