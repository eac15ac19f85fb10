using BlockRepl.Crash.Recording;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Cluster;

/// <summary>Clients of one node at work, each on blocks of its own, so that a block's versions have an order; every change and answer goes to the ledger.</summary>
/// <param name="cluster">The nodes.</param>
/// <param name="seed">What the clients do.</param>
internal sealed class Workload(CrashCluster cluster, ulong seed)
{
    /// <summary>Clients at once.</summary>
    private const int Clients = 3;

    private const int BlocksPerClient = 24;

    private ulong _seed = seed;

    /// <summary>Extents of 4 MiB over which the blocks are spread.</summary>
    public int Extents { get; init; } = 5;

    /// <summary>Of ten changes, how many are trims or zeroes.</summary>
    public int ZeroesInTen { get; init; } = 1;

    /// <summary>Each of the clients makes so many changes, with flushes in between.</summary>
    public Task RunAsync(int node, int changes)
    {
        ulong run = ++_seed;
        return Task.WhenAll(Enumerable.Range(0, Clients).Select(client =>
            Task.Factory.StartNew(() => Run(node, client, changes, new Prng(run * 1000 + (ulong)client)), default, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
    }

    private void Run(int node, int number, int changes, Prng chance)
    {
        using var client = new ExportClient(cluster.VolumeOf(node));
        for (int i = 0; i < changes; i++)
        {
            Change(client, node, number, chance);
            if (chance.OneIn(6))
                Flush(client, node);
        }

        Flush(client, node);
    }

    private void Change(ExportClient client, int node, int number, Prng chance)
    {
        History history = cluster.History!;

        // Runs of up to four blocks; the clients' runs lie side by side in the same extents.
        int place = chance.Below(BlocksPerClient);
        int count = 1 + chance.Below(Math.Min(4, 8 - place % 8));
        long block = (long)((place / 8 + number * 3 + chance.Below(2) * 7) % Extents) * 1024 + number * 8 + place % 8;
        bool isZeroes = chance.Below(10) < ZeroesInTen;
        bool isForced = chance.OneIn(8);
        long asked = history.Next();
        BlockVersion[] versions = [.. Enumerable.Range(0, count).Select(i => history.Ledger.Begin(block + i, node, asked, isZeroes, isForced))];
        for (int i = 0; i < count; i++)
            BlockContent.Fill(client.Data.Slice(i * Block.Size, Block.Size), block + i, versions[i]);
        NbdCommand command = !isZeroes ? NbdCommand.Write : chance.OneIn(2) ? NbdCommand.Trim : NbdCommand.WriteZeroes;
        NbdError error = client.Do(command, block * Block.Size, count * Block.Size, isForced ? NbdCommandFlags.ForceUnitAccess : 0);
        if (error != NbdError.Ok)
            throw new InvalidOperationException($"{command} of block {block} was answered with {error}\n{cluster.LogTail}");
        long answered = history.Next();
        foreach (BlockVersion version in versions)
            version.Answered = answered;
    }

    private void Flush(ExportClient client, int node)
    {
        History history = cluster.History!;
        long asked = history.Next();
        NbdError error = client.Do(NbdCommand.Flush, 0, 0);
        if (error != NbdError.Ok)
            throw new InvalidOperationException($"a flush was answered with {error}\n{cluster.LogTail}");
        history.Ledger.Flushed(node, asked, history.Next());
    }
}
