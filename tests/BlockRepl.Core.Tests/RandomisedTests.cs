using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Random histories under fixed seeds. A failure names its seed; <see cref="RandomRun"/> with that seed repeats it.</summary>
public class RandomisedTests
{
    private const int SeedsPerBatch = 25;

    public static TheoryData<int> Batches => [0, 1, 2, 3, 4, 5, 6, 7];

    /// <summary>G1, G2, G3, G5, G7, G8: an operator who does not promote stale data loses nothing and never sees a split brain.</summary>
    [Theory]
    [MemberData(nameof(Batches))]
    public void Nothing_acknowledged_is_lost_and_replicas_converge(int batch) => RunBatch(batch, isReckless: false);

    /// <summary>G5, G7: whatever an operator promotes, the nodes converge after at most one decision about a split brain.</summary>
    [Theory]
    [MemberData(nameof(Batches))]
    public void Replicas_converge_even_after_reckless_promotions(int batch) => RunBatch(batch, isReckless: true);

    private static void RunBatch(int batch, bool isReckless)
    {
        for (int i = 0; i < SeedsPerBatch; i++)
        {
            ulong seed = (ulong)(batch * SeedsPerBatch + i + 1);
            var run = new RandomRun(seed, isReckless);
            try
            {
                run.Execute();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, reckless {isReckless}: {e.Message}\n{run.History(60)}", e);
            }
        }
    }
}
