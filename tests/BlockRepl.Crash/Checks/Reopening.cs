using BlockRepl.Crash.Cluster;
using BlockRepl.Crash.Recording;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Checks;

/// <summary>Real nodes on the disks that a cut left: what they make of it, whom they promote, and whether they agree in the end.</summary>
/// <param name="history">What happened before the cut.</param>
/// <param name="plan">The cluster that it happened in.</param>
internal sealed class Reopening(History history, CrashPlan plan)
{
    private static readonly Guid[] SameBoots = [new Guid(1, 0, 0, new byte[8]), new Guid(2, 0, 0, new byte[8])];
    private static readonly Guid[] OtherBoots = [new Guid(3, 0, 0, new byte[8]), new Guid(4, 0, 0, new byte[8])];

    /// <summary>Both come back and find each other.</summary>
    public Task BothAsync(NodeImage alpha, NodeImage beta, CutTimes cut) => WithClusterAsync(alpha, beta, async cluster =>
    {
        await cluster.StartAsync(1);
        await cluster.StartAsync(0);
        await AwaitConvergedAsync(cluster);
        int node = Pick(cut);
        await cluster.MustAsync(node, ControlVerb.Primary);
        bool isAll = alpha.Loss == Loss.Process && beta.Loss == Loss.Process;
        CheckReads(cluster, node, cut, null, isAll, isAll ? "G2" : "G1");
        await CompareAsync(cluster, cut);
    });

    /// <summary>Only one comes back and is promoted; it works alone; then the other comes back and must follow.</summary>
    public Task OneFirstAsync(NodeImage alpha, NodeImage beta, CutTimes cut, int survivor) => WithClusterAsync(alpha, beta, async cluster =>
    {
        NodeImage image = survivor == 0 ? alpha : beta;
        await cluster.StartAsync(survivor);
        await cluster.MustAsync(survivor, ControlVerb.Primary);
        CheckReads(cluster, survivor, cut, survivor, image.Loss == Loss.Process, image.Loss == Loss.Process ? "G2" : "G1, G3");
        byte mark = WriteAlone(cluster, survivor);
        await cluster.StartAsync(1 - survivor);
        await AwaitConvergedAsync(cluster);
        if (ReadAlone(cluster, survivor) != mark)
            throw new CrashFinding("G7", $"what {ImageChecks.Name(survivor)} wrote after its promotion is gone");
        CheckReads(cluster, survivor, cut, survivor, image.Loss == Loss.Process, "G2");
        await CompareAsync(cluster, cut);
    });

    private async Task WithClusterAsync(NodeImage alpha, NodeImage beta, Func<CrashCluster, Task> workAsync)
    {
        Guid[] boots = [(alpha.Loss == Loss.Process ? SameBoots : OtherBoots)[0], (beta.Loss == Loss.Process ? SameBoots : OtherBoots)[1]];
        await using var cluster = new CrashCluster(plan, [alpha.CopyDisks(), beta.CopyDisks()], boots, null);
        try
        {
            await workAsync(cluster);
        }
        catch (Exception e) when (e is not TimeoutException)
        {
            throw new CrashFinding((e as CrashFinding)?.Promise ?? "reopening", $"{e.Message}\n{cluster.LogTail}");
        }
    }

    // In sync again by themselves (G5); nodes of one history are never called split-brained (G7).
    private static async Task AwaitConvergedAsync(CrashCluster cluster)
    {
        for (int node = 0; node < 2; node++)
        {
            ResourceStatus? standing = null;
            await cluster.AwaitAsync(node, "in sync after the cut", status =>
            {
                standing = status.Connections[0].ConnectionState == ConnectionState.StandAlone ? status : null;
                return standing is not null || WaitCondition.Missing(WaitGoal.Sync, status, null) is null;
            });
            if (standing is not null)
                throw new CrashFinding("G7", $"{ImageChecks.Name(node)} is StandAlone: {standing.Connections[0].Detail} {standing.Connections[0].Note} {standing.Connections[0].Volumes[0].Note}");
        }
    }

    // What clients see: every block one of the versions that it may be, read through the export.
    private void CheckReads(CrashCluster cluster, int node, CutTimes cut, int? holder, bool isAll, string promise)
    {
        Dictionary<long, int> oldest = history.Ledger.Oldest(cut, holder, isAll);
        using var client = new ExportClient(cluster.VolumeOf(node));
        long size = cluster.StatusOf(node).Volumes[0].SizeBytes;
        foreach ((long block, List<BlockVersion> versions) in history.Ledger.Blocks)
        {
            if (history.Ledger.IsDamaged(block, cut))
                continue;
            if ((block + 1) * Block.Size > size)
            {
                if (versions.Exists(version => version.Number > 0 && version.WasAnswered(cut)))
                    throw new CrashFinding(promise, $"block {block} was acknowledged and the volume has {size} bytes");
                continue;
            }

            if (client.Do(NbdCommand.Read, block * Block.Size, Block.Size) != NbdError.Ok)
                throw new CrashFinding(promise, $"block {block} cannot be read");
            if (BlockContent.Judge(client.Data[..Block.Size].ToArray(), block, versions, oldest[block], cut) is { } wrong)
                throw new CrashFinding(promise, $"a client of {ImageChecks.Name(node)} must read version {oldest[block]} of block {block} or a newer one; {wrong}");
        }
    }

    // A block that no scenario touches.
    private const long AloneOffset = 900L * Block.Size;

    private static byte WriteAlone(CrashCluster cluster, int node)
    {
        using var client = new ExportClient(cluster.VolumeOf(node));
        client.Data[..Block.Size].Fill(0xA1);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, AloneOffset, Block.Size));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        return 0xA1;
    }

    private static byte ReadAlone(CrashCluster cluster, int node)
    {
        using var client = new ExportClient(cluster.VolumeOf(node));
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Read, AloneOffset, Block.Size));
        return client.Data[0];
    }

    // G5, on the disks themselves.
    private async Task CompareAsync(CrashCluster cluster, CutTimes cut)
    {
        await cluster.AwaitInSyncAsync();
        VolumeDisk alpha = cluster.VolumeOf(0).Disk!;
        VolumeDisk beta = cluster.VolumeOf(1).Disk!;
        long size = cluster.StatusOf(0).Volumes[0].SizeBytes;
        byte[] one = new byte[1 << 20];
        byte[] two = new byte[1 << 20];
        for (long at = 0; at < size; at += one.Length)
        {
            int length = (int)Math.Min(one.Length, size - at);
            alpha.GetExtent(at, length, out DeviceExtent hole1);
            beta.GetExtent(at, length, out DeviceExtent hole2);
            if (hole1.IsHole && hole2.IsHole && hole1.Length == length && hole2.Length == length)
                continue;
            Assert.True(alpha.Read(at, one.AsSpan(0, length)).IsOk && beta.Read(at, two.AsSpan(0, length)).IsOk);
            for (int i = one.AsSpan(0, length).CommonPrefixLength(two.AsSpan(0, length)); i < length; i += Block.Size)
            {
                long block = (at + i) / Block.Size;
                int start = (int)(block * Block.Size - at);
                if (!history.Ledger.IsDamaged(block, cut) && !one.AsSpan(start, Block.Size).SequenceEqual(two.AsSpan(start, Block.Size)))
                    throw new CrashFinding("G5", $"in sync, and block {block} differs");
            }
        }
    }

    private static int Pick(CutTimes cut) => (int)((cut.Alpha + cut.Beta) & 1);
}
