using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>A disk was on its way back and lost its source; the peer serves again, and then the Primary ends (G8, G9, I1).</summary>
public class ReturningDiskLossTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void G9_a_disk_given_up_at_any_step_of_its_return_never_passes_for_the_better_copy(bool losesPower, bool bothDie)
    {
        for (int steps = 0; ; steps++)
        {
            ClusterHarness cluster = ServedPrimaryTests.Served();
            cluster.Write(cluster.Alpha, 0);
            cluster.Run();
            cluster.Alpha.CloseDisk();
            cluster.Alpha.Attach(0);
            bool isOver = false;
            for (int i = 0; i < steps && !isOver; i++)
                isOver = !cluster.StepOnce();

            // What is under way on the disk reaches it, although nobody hears of it any more.
            foreach (PendingOperation operation in cluster.Alpha.Pending)
            {
                while (operation.Kind == EffectKind.WriteMetadata && operation.PartsDone < SimulatedMetadata.PartsOf(operation.Metadata))
                    cluster.Alpha.CarryOutPart(operation);
            }

            cluster.Cut();
            cluster.Run();
            cluster.Tick(20_000);
            cluster.Run();
            ClientRequest write = cluster.Write(cluster.Alpha, 5 << 20);
            cluster.Run();
            Assert.True(write.IsAcknowledged, $"step {steps}");
            if (losesPower)
                cluster.Alpha.PowerCut();
            else
                cluster.Alpha.Kill();
            if (bothDie)
                cluster.Beta.Kill();
            else
                cluster.NoticeLinkDown(cluster.Beta);
            cluster.Alpha.Start();
            cluster.Command(cluster.Alpha, OperatorVerb.Connect);
            if (bothDie)
            {
                cluster.Beta.Start();
                cluster.Command(cluster.Beta, OperatorVerb.Connect);
            }

            cluster.Run();
            string log = $"step {steps}\n{string.Join('\n', cluster.Alpha.Log.TakeLast(25))}\nbeta:\n{string.Join('\n', cluster.Beta.Log.TakeLast(25))}";
            Assert.True(cluster.IsConnected, log);
            Assert.True(ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[5 << 8]) == write.Id, log);
            Assert.True(ClusterHarness.IdIn(cluster.Alpha.Disks[0].Cache[5 << 8]) == write.Id, log);
            cluster.AssertInSync();
            if (isOver)
                return;
        }
    }

    /// <summary>What was answered under protocol A is missing at the server whatever the protocol is when the server is lost.</summary>
    [Fact]
    public void G11_a_server_that_misses_what_protocol_A_answered_does_not_serve_again_after_a_change_to_C()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { Protocol = WriteProtocol.A });
        ClientRequest write = cluster.Write(cluster.Alpha, 0);
        cluster.RunDisk(cluster.Alpha);
        Assert.True(write.IsAcknowledged);
        cluster.Flush(cluster.Alpha);
        cluster.Complete(cluster.Alpha, EffectKind.LocalFlush, DiskResult.Io);
        cluster.Alpha.Reconfigure(s => s with { Protocol = WriteProtocol.C });
        cluster.Beta.Reconfigure(s => s with { Protocol = WriteProtocol.C });
        cluster.Cut();
        cluster.Run();
        cluster.Tick(20_000);
        cluster.Run();
        Assert.NotEqual(write.Id, ClusterHarness.IdIn(cluster.Beta.Disks[0].Cache[0]));
        Assert.Equal("", cluster.Alpha.Status.ServedBy(ClusterHarness.Volume0));
    }
}
