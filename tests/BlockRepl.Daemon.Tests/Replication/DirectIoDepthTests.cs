using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>What goes to a disk with <c>io: direct</c> at once: as much as keeps it busy, and no more than memory should hold.</summary>
public class DirectIoDepthTests
{
    private const int FourKiB = 4096;

    /// <summary>One request at a time, behind which more are known to come: the disk works while the next is received. One that is alone needs no other thread.</summary>
    [Fact]
    public async Task A_write_with_others_behind_it_goes_through_the_queue_on_both_nodes()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 1);
        QueueGate alpha = nodes.Gates["alpha"];
        QueueGate beta = nodes.Gates["beta"];

        // The first write to an extent waits for its metadata and is begun by whoever wrote those.
        Write(client, 1);
        (int here, int there) = (alpha.Begun, beta.Begun);
        Write(client, 2);
        Assert.Equal((here, there), (alpha.Begun, beta.Begun));
        client.HasMore = true;
        Write(client, 3);
        Assert.Equal((here + 1, there), (alpha.Begun, beta.Begun));

        // Beta's receiver is inside its disk with the first while the others come.
        client.HasMore = false;
        nodes.Delays["beta"].Hold(DeviceOperation.Write);
        using var others = new BatchClient(nodes.AlphaVolume, 4);
        client.Add(NbdCommand.Write, 0, FourKiB).Fill(4);
        client.Submit();
        Assert.True(nodes.Delays["beta"].AwaitWaiting(1, TimeSpan.FromSeconds(20)));
        for (int i = 1; i <= 4; i++)
            others.Add(NbdCommand.Write, i * FourKiB, FourKiB).Fill(4);
        others.SubmitOneByOne();
        nodes.Delays["beta"].Release();
        Assert.Equal((0, 0), (client.Await(), others.Await()));
        client.Clear();
        others.Clear();
        Assert.InRange(beta.Begun - there, 1, 4);
        nodes.AssertSameData();
    }

    /// <summary>Past the page cache nobody reads ahead: a resync has several reads in the disk at once.</summary>
    [Fact]
    public async Task A_resync_reads_several_pieces_at_once()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 16);
        for (int i = 0; i < 16; i++)
            client.Add(NbdCommand.Write, (long)i << 20, 1 << 20).Fill((byte)(i + 1));
        Assert.Equal(0, client.Run());
        nodes.Delays["alpha"].Hold(DeviceOperation.Read);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Invalidate)).ExitCode);
        Assert.True(nodes.Delays["alpha"].AwaitWaiting(2, TimeSpan.FromSeconds(20)));
        nodes.Delays["alpha"].Release();
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        nodes.AssertSameData();
    }

    /// <summary>With protocol A nobody waits for the peer's disk. What that does not take the peer does not hold in memory: the Primary's writers are held up.</summary>
    [Fact]
    public async Task G12_a_Secondarys_disk_that_is_slower_than_the_link_does_not_fill_its_memory()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("protocol: A", size: 512 << 20, io: "direct");
        QueueGate gate = nodes.Gates["beta"];
        gate.Hold();
        Exception? failure = null;
        var writer = new Thread(() =>
        {
            try
            {
                using var client = new BatchClient(nodes.AlphaVolume, 8);
                for (int i = 0; i < 200; i += 8)
                {
                    for (int j = i; j < i + 8; j++)
                        client.Add(NbdCommand.Write, (long)j << 20, 1 << 20).Fill((byte)(j + 1));
                    Assert.Equal(0, client.Run());
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        writer.Start();

        // For a moment a writer waits also where the peer takes in all that comes.
        bool isHeldUp = SpinWait.SpinUntil(
            () => nodes.Alpha.Resources[0].Runtime.Room.Of(new PeerId(0)) is { Waiting: { Count: > 0 } waiting } && ResourceRuntime.NowMs - waiting.SinceMs > 500, TimeSpan.FromSeconds(20));
        int held = gate.Held;

        // It goes on listening all the same, a frame at a time: the peer is not lost for a disk that stands still.
        bool isListening = SpinWait.SpinUntil(() => gate.Held >= held + 2, TimeSpan.FromSeconds(20));
        gate.Release();
        writer.Join();
        Assert.Null(failure);
        Assert.True(isHeldUp, $"the writer was not held up: beta holds {held} MiB");
        Assert.InRange(held, 16, 40);
        Assert.True(isListening, "beta takes in nothing more");
        using (var client = new Client(nodes.AlphaVolume))
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        nodes.AssertSameData();
    }

    private static void Write(BatchClient client, byte value)
    {
        client.Add(NbdCommand.Write, 0, FourKiB).Fill(value);
        Assert.Equal(0, client.Run());
    }
}
