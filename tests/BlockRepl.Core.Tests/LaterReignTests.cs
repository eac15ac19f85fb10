using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>
/// Two nodes were Primary one after the other, without meeting, and on a volume neither has a generation that the other lacks. What counts there is what the later of the two had (G2, G4).
/// </summary>
public class LaterReignTests
{
    /// <summary>The first lost its power with what it had answered and not flushed; the second has it, and was killed before it wrote anything.</summary>
    [Fact]
    public void G2_where_both_crashed_as_Primary_the_one_that_kept_its_power_is_the_source()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        Assert.True(write.IsAcknowledged);
        cluster.Alpha.PowerCut();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        cluster.Beta.Kill();
        cluster.StartBoth();
        cluster.Run();
        cluster.AssertInSync();
        cluster.Alpha.AssertHolds(write);
        cluster.Beta.AssertHolds(write);
    }

    /// <summary>The second wrote to one volume. On the other the first had a change in flight that nobody was told of: beside what was written later it must not come back.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void G4_the_later_reign_counts_on_the_volumes_that_it_did_not_write_to(bool isKilled)
    {
        ClusterHarness cluster = ClusterHarness.InSync(settings => settings with { Volumes = ["postgres", "spool"] });
        ClientRequest before = cluster.Write(cluster.Alpha, 0, volume: 1);
        cluster.Run();
        ClientRequest lost = cluster.Write(cluster.Alpha, 0, volume: 1);
        while (cluster.CompleteOne(cluster.Alpha))
        {
            // On its own disk; the peer never gets it.
        }

        Assert.False(lost.IsAnswered);
        cluster.Alpha.Kill();
        cluster.NoticeLinkDown(cluster.Beta);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Primary).ExitCode);
        ClientRequest later = cluster.Write(cluster.Beta, 4096, volume: 0);
        cluster.Run();
        Assert.True(before.IsAcknowledged && later.IsAcknowledged);
        if (isKilled)
        {
            cluster.Beta.Kill();
            cluster.StartBoth();
        }
        else
        {
            Assert.Equal(0, cluster.CommandAndRun(cluster.Beta, OperatorVerb.Secondary).ExitCode);
            cluster.Alpha.Start();
            cluster.Command(cluster.Alpha, OperatorVerb.Connect);
        }

        cluster.Run();
        cluster.AssertInSync();
        foreach (SimulatedNode node in new[] { cluster.Alpha, cluster.Beta })
        {
            node.AssertHolds(before);
            node.AssertHolds(later);
        }
    }
}
