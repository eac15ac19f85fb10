using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Hard parts 23 and 24: the data path of Core allocates nothing once it is warm.</summary>
public class AllocationTests
{
    [Fact]
    public void Hard_part_24_a_write_and_a_flush_on_the_Primary_allocate_nothing()
    {
        using HotPath path = HotPath.OnPrimary();
        AssertAllocatesNothing(() =>
        {
            path.Write();
            path.Flush();
        });
    }

    [Fact]
    public void Hard_part_24_a_change_and_a_barrier_on_the_Secondary_allocate_nothing()
    {
        using HotPath path = HotPath.OnSecondary();
        AssertAllocatesNothing(() =>
        {
            path.PeerWrite();
            path.PeerBarrier();
        });
    }

    private static void AssertAllocatesNothing(Action once)
    {
        // Rounds, because the runtime may replace the code once more while it is measured; what allocates does so in each.
        long least = long.MaxValue;
        for (int round = 0; round < 5 && least > 0; round++)
        {
            for (int i = 0; i < 100; i++)
                once();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1_000; i++)
                once();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }
}
