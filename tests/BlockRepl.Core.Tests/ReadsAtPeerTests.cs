using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

using static BlockRepl.Core.Tests.ServedPrimaryTests;

namespace BlockRepl.Core.Tests;

/// <summary>Reads that the peer answers, because the local disk is lost, is not current, or cannot give the block (G11).</summary>
public class ReadsAtPeerTests
{
    /// <summary>Hard part 10: a read sees what was answered before it, however the answer and the read meet.</summary>
    [Fact]
    public void G11_a_read_at_the_peer_sees_every_change_answered_before_it()
    {
        ClusterHarness cluster = Served();
        for (int i = 0; i < 10; i++)
        {
            ClientRequest write = cluster.Write(cluster.Alpha, 4096);
            ClientRequest behind = cluster.Write(cluster.Alpha, 8192);
            while (write.Result is null)
                Assert.True(cluster.StepOnce());
            ClientRead read = cluster.Read(cluster.Alpha, 4096);
            cluster.Run();
            Assert.Equal(write.Id, read.Id);
            Assert.True(behind.IsAcknowledged);
        }

        ClientRead zeroes = cluster.Read(cluster.Alpha, 1 << 20, 65536);
        cluster.Run();
        Assert.Equal(DiskResult.Ok, zeroes.Result);
        Assert.All(zeroes.Data, b => Assert.Equal(0, b));
        cluster.AssertNothingLeaked();
    }

    [Fact]
    public void G12_reads_at_the_peer_are_bounded_and_all_are_answered()
    {
        ClusterHarness cluster = Served();
        List<ClientRead> reads = [];
        for (int i = 0; i < 3 * ProtocolLimits.ReadsMax; i++)
            reads.Add(cluster.Read(cluster.Alpha, i % 16 << 16, 65536));
        cluster.DeliverAll(cluster.Beta);
        Assert.True(cluster.IsConnected);
        Assert.True(cluster.Beta.Pending.Count <= ProtocolLimits.ReadsMax);
        cluster.Run();
        Assert.All(reads, read => Assert.Equal(DiskResult.Ok, read.Result));
        cluster.AssertNothingLeaked();
    }

    /// <summary>The connection is ended for an answer of the wrong length; the read is still owed, and the next connection answers it.</summary>
    [Fact]
    public void G11_a_read_answered_with_a_wrong_length_is_asked_again()
    {
        ClusterHarness cluster = Served(s => s with { OnNoDataAccessible = NoDataPolicy.SuspendIo });
        ClientRequest write = cluster.Write(cluster.Alpha, 4096);
        cluster.Run();
        ClientRead read = cluster.Read(cluster.Alpha, 4096);
        cluster.DeliverAll(cluster.Beta);
        cluster.RunDisk(cluster.Beta);
        byte[] frame = cluster.TakeFrame(cluster.Alpha);
        Assert.True(ReadReplyFrameReader.TryRead(frame, out ReadReplyFrameReader reply, out _));
        byte[] head = new byte[ReadReplyFrameWriter.HeadLengthMax];
        var longer = new ReadReplyFrameWriter(head);
        uint crc = longer.Begin(reply.Id, DiskResult.Ok, 2 * Block.Size, zeroes: true, CompressionKind.None);
        cluster.Hand(cluster.Alpha, longer.End(crc, 0).ToArray());
        Assert.Null(read.Result);
        cluster.Run();
        Assert.Equal(DiskResult.Ok, read.Result);
        Assert.Equal(write.Id, read.Id);
        AssertServes(cluster);
        cluster.AssertNothingLeaked();
    }

    /// <summary>G11: without a peer in sync a block that cannot be read costs that read, not the only copy.</summary>
    [Fact]
    public void A_failed_read_without_a_peer_fails_alone()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        ClientRead read = cluster.Read(cluster.Alpha, 0, localFailure: DiskResult.Io);
        Assert.Equal(DiskResult.Io, read.Result);
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
    }

    /// <summary>G12: a block that could not be read here was asked for at the peer, whose connection ends. Nobody else would answer it.</summary>
    [Fact]
    public void G12_a_read_passed_on_to_a_peer_that_is_lost_fails_alone()
    {
        ClusterHarness cluster = ClusterHarness.InSync(s => s with { OnIoError = IoErrorPolicy.PassOn });
        ClientRead read = cluster.Read(cluster.Alpha, 0, localFailure: DiskResult.Io);
        Assert.Null(read.Result);
        cluster.IsNetworkUp = false;
        cluster.Cut();
        cluster.Run();
        Assert.Equal(DiskResult.Io, read.Result);
        Assert.Equal(DiskState.UpToDate, cluster.Alpha.Status.DiskState(ClusterHarness.Volume0));
        cluster.AssertNothingLeaked();
    }

    /// <summary>G12: a disk comes back, at each step of its way a read is asked for that the peer never gets, and the connection ends. It is answered, from the disk where that is current by then.</summary>
    [Fact]
    public void G12_a_read_at_the_peer_is_answered_from_the_disk_that_came_back_meanwhile()
    {
        int overtaken = 0;
        bool isBack = false;
        for (int steps = 0; !isBack; steps++)
        {
            ClusterHarness cluster = Served();
            ClientRequest write = cluster.Write(cluster.Alpha, 4096);
            cluster.Run();
            cluster.Alpha.CloseDetached();
            cluster.Alpha.Attach(0);
            for (int done = 0; done < steps; done++)
                Assert.True(cluster.StepOnce(), "the disk does not come back");
            isBack = cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) == DiskState.UpToDate;
            ClientRead read = cluster.Read(cluster.Alpha, 4096);

            // What the peer has sent before it comes by, and the disk does its part.
            do
                cluster.RunDisk(cluster.Alpha);
            while (cluster.Deliver(cluster.Alpha));
            overtaken += read.Result is null && cluster.Alpha.Status.DiskState(ClusterHarness.Volume0) == DiskState.UpToDate ? 1 : 0;
            cluster.IsNetworkUp = false;
            cluster.Cut();
            cluster.Run();
            Assert.True(read.Result is not null, $"after {steps} steps");
            if (read.Result == DiskResult.Ok)
                Assert.Equal(write.Id, read.Id);
        }

        Assert.True(overtaken > 0, "no read was overtaken by the disk");
    }
}
