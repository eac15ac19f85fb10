using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Demo;

/// <summary>Reads everything that the load may have touched and holds it against the model.</summary>
internal static class ContentCheck
{
    private const int ReadersMax = 8;
    private const int BlocksEach = 64;

    /// <summary>
    /// Reads the regions and the probe through <paramref name="client"/>; nobody may write meanwhile. Answers the mismatches, none
    /// of which stops the check. Throws <see cref="IOException"/> where the server refuses or goes away.
    /// </summary>
    public static async Task<IReadOnlyList<string>> RunAsync(NbdClient client, WriteModel model, HotRegions regions, CheckTally tally)
    {
        var chunks = new Queue<(long First, int Count)>();
        chunks.Enqueue((HotRegions.ProbeBlock, 1));
        for (var region = 0; region < HotRegions.Count; region++)
        {
            for (var block = 0; block < HotRegions.BlocksEach; block += BlocksEach)
                chunks.Enqueue((regions.FirstBlock(region) + block, BlocksEach));
        }
        var wrong = new List<string>();
        await Task.WhenAll(Enumerable.Range(0, ReadersMax).Select(_ => Task.Run(ReadAsync)));
        return wrong;

        async Task ReadAsync()
        {
            var buffer = new byte[BlocksEach * Block.Size];
            while (true)
            {
                (long First, int Count) chunk;
                lock (chunks)
                {
                    if (!chunks.TryDequeue(out chunk))
                        return;
                }
                var error = await client.ReadAsync(chunk.First * Block.Size, buffer.AsMemory(0, chunk.Count * Block.Size));
                if (error != NbdError.Ok)
                    throw new IOException($"a read of blocks {chunk.First} to {chunk.First + chunk.Count - 1} was answered with {error}");
                for (var i = 0; i < chunk.Count; i++)
                {
                    if (model.Verify(chunk.First + i, buffer.AsSpan(i * Block.Size, Block.Size), tally) is not { } line)
                        continue;
                    lock (wrong)
                        wrong.Add(line);
                }
            }
        }
    }
}
