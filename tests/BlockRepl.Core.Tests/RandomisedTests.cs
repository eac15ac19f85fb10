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

    /// <summary>Pain 10: a verify at any moment, beside writes, crashes, handovers and resyncs, never finds a difference, and what its repair writes over is never newer.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    public void A_verify_at_any_moment_finds_nothing_between_sound_disks(int batch)
    {
        RunBatch(batch, isReckless: false, verifies: true);
        RunBatch(batch, isReckless: true, verifies: true);
    }

    /// <summary>G5, G8, I2: a peer that falls behind and catches up at any moment ends up equal.</summary>
    [Theory]
    [InlineData(10)]
    [InlineData(11)]
    public void A_peer_that_falls_behind_converges(int batch) =>
        RunBatch(batch, isReckless: true, settings: s => CongestionTests.PullAhead(s) with { CongestionFillBytes = 4 * Primitives.Block.Size });

    /// <summary>I4, G4, G5: changes that overtake resync data at the sender leave nothing older over anything newer, whatever interrupts the resync.</summary>
    [Theory]
    [InlineData(12)]
    [InlineData(13)]
    public void Changes_that_overtake_resync_data_leave_the_replicas_equal(int batch)
    {
        RunBatch(batch, isReckless: false, overtakes: true);
        RunBatch(batch, isReckless: true, verifies: true, overtakes: true);
        RunBatch(batch, isReckless: true, settings: s => s with { ResyncChecksums = ResyncChecksums.Always }, overtakes: true);
    }

    private static void RunBatch(
        int batch, bool isReckless, bool verifies = false, Func<ResourceSettings, ResourceSettings>? settings = null, bool overtakes = false)
    {
        for (int i = 0; i < SeedsPerBatch; i++)
        {
            ulong seed = (ulong)(batch * SeedsPerBatch + i + 1);
            var run = new RandomRun(seed, isReckless, settings) { Verifies = verifies, Overtakes = overtakes };
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
