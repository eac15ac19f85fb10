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
}
