using BlockRepl.Cli.Demo;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Tests.Demo;

/// <summary>Load, model and check together, over a server that keeps what it is given, loses it, or goes away.</summary>
public sealed class WriteLoadTests
{
    private const int SizeBytes = 256 << 20; // the smallest volume that has room for the regions
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly WriteModel _model = new(4711);
    private readonly HotRegions _regions = new(SizeBytes);

    [Fact]
    public async Task What_a_good_server_acknowledged_is_found_and_damage_is_found_too()
    {
        using var export = new MemoryExport(SizeBytes);
        using (var load = WriteLoad.Start(export.SocketPath, MemoryExport.Name, _model, _regions, run: 1))
        {
            await UntilAsync(() => load.Meter.Total() is { Writes: > 1000, Flushes: > 0 }, load);
            load.Stop();
            await load.Finished.WaitAsync(Patience);
            Assert.Equal((null, 0, 0), (load.Failure, load.Unanswered, _model.OpenCount));
        }
        Assert.True(export.ForcedWrites > 0);
        using var client = NbdClient.Connect(export.SocketPath, MemoryExport.Name);
        var tally = new CheckTally();
        Assert.Empty(await ContentCheck.RunAsync(client, _model, _regions, tally));
        Assert.Equal(HotRegions.Count * HotRegions.BlocksEach + 1, tally.Blocks);
        Assert.True(tally.AcknowledgedBlocks > 1000);

        var damaged = FirstWritten(export);
        export.Data.AsSpan((int)(damaged * Block.Size), Block.Size).Clear();
        var wrong = Assert.Single(await ContentCheck.RunAsync(client, _model, _regions, new CheckTally()));
        Assert.StartsWith($"block {damaged} (offset {damaged * Block.Size}): expected version ", wrong, StringComparison.Ordinal);
        Assert.EndsWith("found zeroes (never written) [seed 4711]", wrong, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_goes_away_leaves_requests_unanswered_and_is_no_failure()
    {
        using var export = new MemoryExport(SizeBytes);
        using var load = WriteLoad.Start(export.SocketPath, MemoryExport.Name, _model, _regions, run: 1);
        await UntilAsync(() => load.Meter.Total().Writes > 100, load);
        export.Stop();
        await load.Finished.WaitAsync(Patience);
        Assert.Null(load.Failure);
        Assert.Equal(WriteLoad.Connections * WriteLoad.DepthEach, load.Unanswered);
    }

    [Fact]
    public async Task An_error_for_a_write_ends_the_load_and_names_blocks_version_and_seed()
    {
        using var export = new MemoryExport(SizeBytes);
        export.FailAfter(50);
        using var load = WriteLoad.Start(export.SocketPath, MemoryExport.Name, _model, _regions, run: 1);
        await load.Finished.WaitAsync(Patience);
        Assert.Matches("^a write of blocks [0-9]+ to [0-9]+, version [0-9]+, was answered with EIO \\[seed 4711\\]$", load.Failure);
    }

    /// <summary>Asks again at each turn of the thread pool; the load must not end meanwhile.</summary>
    private static async Task UntilAsync(Func<bool> condition, WriteLoad load)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!condition())
        {
            Assert.False(load.Finished.IsCompleted, load.Failure ?? "the load ended by itself");
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private long FirstWritten(MemoryExport export)
    {
        for (var block = _regions.FirstBlock(0); ; block++)
        {
            if (export.Data.AsSpan((int)(block * Block.Size), Block.Size).ContainsAnyExcept((byte)0))
                return block;
        }
    }
}
