using BlockRepl.Daemon.Control;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Volumes with <c>io: direct</c>: what goes through a disk's queue, on both nodes, in good days and bad ones.</summary>
public class DirectIoTests
{
    private const int FourKiB = 4096;

    /// <summary>Clients that write side by side, at any place and length, many at once: each reads what it wrote, and both disks end the same (G5).</summary>
    [Theory]
    [InlineData("compression: off")]
    [InlineData("protocol: A")]
    [InlineData("disk-timeout: 10m")]
    public async Task G5_a_pair_with_direct_io_ends_equal(string more)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(more == "compression: off" ? "" : more, io: "direct");
        Assert.Equal("direct", nodes.Alpha.GetStatus()[0].Volumes[0].Io);
        const int Region = (1 << 20) + 1111;
        Exception?[] failures = new Exception?[4];
        Thread[] clients = [.. Enumerable.Range(0, failures.Length).Select(number => new Thread(() =>
        {
            try
            {
                WriteAndRead(nodes, number, (long)number * Region, Region);
            }
            catch (Exception e)
            {
                failures[number] = e;
            }
        }))];
        foreach (Thread client in clients)
            client.Start();
        foreach (Thread client in clients)
            client.Join();
        Assert.All(failures, Assert.Null);
        Assert.InRange(nodes.Gates["alpha"].Begun, 1_000, int.MaxValue);
        Assert.InRange(nodes.Gates["beta"].Begun, 100, int.MaxValue);
        using (var client = new Client(nodes.AlphaVolume))
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Flush, 0, 0));
        nodes.AssertSameData();
        Assert.Equal(0, BlockBufferPool.Shared.Rented(BufferPurpose.DirectIo));
    }

    /// <summary>Writes that get no answer from the disk: the disk is given up after disk-timeout, its peer serves, and what comes late touches nothing (hard part 17).</summary>
    [Fact]
    public async Task G11_writes_that_hang_in_the_queue_cost_the_disk_and_no_client_an_error()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("disk-timeout: 1s", io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 8);
        QueueGate gate = nodes.Gates["alpha"];
        Fill(client, 0, 1);
        gate.Hold();
        Fill(client, 0, 2);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0] is { DiskState: DiskState.Failed, ServedBy: "beta" });
        Assert.Equal(8, gate.Held);
        Assert.Contains(nodes.Alpha.GetStatus()[0].Volumes[0].WaitingFor, wait => wait.Contains("a write of 4096 bytes", StringComparison.Ordinal) && wait.Contains("7 more", StringComparison.Ordinal));
        ControlResult early = await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v");
        Assert.Equal(11, early.ExitCode);
        Assert.Contains("has not returned for", early.Message, StringComparison.Ordinal);

        // The same places again, while the disk still owes the old writes; its late ones must be resynced over.
        Fill(client, 0, 3);
        AssertReads(client, 0, 3);
        gate.Release();
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        AssertReads(client, 0, 3);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        AssertReads(client, 0, 3);
        nodes.AssertSameData();
        Assert.Empty(nodes.Alpha.GetStatus()[0].Volumes[0].WaitingFor);
    }

    /// <summary>Reads that get no answer: the peer serves them, and what the disk brings late falls into buffers that are nobody's.</summary>
    [Fact]
    public async Task G11_reads_that_hang_in_the_queue_are_served_by_the_peer()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("disk-timeout: 1s", io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 8);
        QueueGate gate = nodes.Gates["alpha"];
        Fill(client, 0, 1);
        gate.Hold();
        AssertReads(client, 0, 1);
        Assert.Equal(DiskState.Failed, nodes.Alpha.GetStatus()[0].Volumes[0].DiskState);
        Assert.Equal(8, gate.Held);
        Fill(client, 0, 2);
        gate.Release();
        for (int i = 0; i < 50; i++)
            AssertReads(client, 0, 2);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        AssertReads(client, 0, 2);
    }

    /// <summary>An error that the queue reports costs the disk that has it, not the client (G11), on either node.</summary>
    [Theory]
    [InlineData("alpha", NbdCommand.Write)]
    [InlineData("alpha", NbdCommand.Read)]
    [InlineData("beta", NbdCommand.Write)]
    public async Task G11_an_error_in_the_queue_costs_the_disk(string node, NbdCommand command)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 8);
        Fill(client, 0, 1);
        nodes.Gates[node].Fail(DiskResult.Io);
        if (command == NbdCommand.Write)
            Fill(client, 0, 2);
        else
            AssertReads(client, 0, 1);
        await nodes.AwaitAsync(node == "alpha" ? nodes.Alpha : nodes.Beta, status => status.Volumes[0].DiskState == DiskState.Diskless);
        AssertReads(client, 0, command == NbdCommand.Write ? (byte)2 : (byte)1);
    }

    /// <summary>No space is the client's to hear of, and the disk stays.</summary>
    [Fact]
    public async Task No_space_in_the_queue_is_told_to_the_client()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 8);
        Fill(client, 0, 1);
        nodes.Gates["alpha"].Fail(DiskResult.NoSpace);
        for (int i = 0; i < 8; i++)
            client.Add(NbdCommand.Write, i * FourKiB, FourKiB).Fill(2);
        Assert.Equal(8, client.Run());
        nodes.Gates["alpha"].Fail(DiskResult.Ok);
        Fill(client, 0, 3);
        Assert.Equal(DiskState.UpToDate, nodes.Alpha.GetStatus()[0].Volumes[0].DiskState);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        nodes.AssertSameData();
    }

    /// <summary>A detach waits for what is under way in the queue, and nothing of it is lost.</summary>
    [Fact]
    public async Task Down_waits_for_what_is_under_way_in_the_queue()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 8);
        QueueGate gate = nodes.Gates["beta"];
        Fill(client, 0, 1);
        gate.Hold();
        for (int i = 0; i < 8; i++)
            client.Add(NbdCommand.Write, i * FourKiB, FourKiB).Fill(2);
        client.Submit();
        Task<ControlResult> down = TwoNodes.DoAsync(nodes.Beta, ControlVerb.Down);
        Assert.Equal(0, client.Await());
        client.Clear();
        gate.Release();
        Assert.Equal(0, (await down).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Up)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        AssertReads(client, 0, 2);
        nodes.AssertSameData();
    }

    /// <summary>A changed io counts from the next attachment on, also under a Primary, and neither way loses what the other wrote.</summary>
    [Fact]
    public async Task Io_is_changed_by_adjust_detach_and_attach()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new BatchClient(nodes.AlphaVolume, 8);
        Fill(client, 0, 1);
        foreach ((string before, string after) in new[] { ("buffered", "direct"), ("direct", "buffered") })
        {
            Assert.Equal(before, nodes.Alpha.GetStatus()[0].Volumes[0].Io);
            await nodes.EditAsync(text => text.Replace($"io: {before}", $"io: {after}", StringComparison.Ordinal));
            ControlResult adjusted = await nodes.Alpha.ExecuteAsync(new ControlCommand(ControlVerb.Adjust, TwoNodes.Resource, null, new ControlOptions()), default);
            Assert.Equal((0, $"r/v: io {before} -> {after}, from the next attachment on: blockrepl detach r/v; blockrepl attach r/v"), (adjusted.ExitCode, adjusted.Message));
            Assert.Equal(before, nodes.Alpha.GetStatus()[0].Volumes[0].Io);
            Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
            await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0] is { DiskState: DiskState.Diskless, Io: null });
            Fill(client, 16 << 10, 7);
            Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v")).ExitCode);
            await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
            Assert.Equal(after, nodes.Alpha.GetStatus()[0].Volumes[0].Io);
            AssertReads(client, 16 << 10, 7);
            Fill(client, 16 << 10, 8);
            nodes.AssertSameData();
        }
    }

    /// <summary>A disk that cannot have it is not attached with the other, and the sentence says why.</summary>
    [Fact]
    public async Task Direct_io_that_cannot_be_had_is_refused_at_attach()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(size: (64 << 20) + 512);
        await nodes.EditAsync(text => text.Replace("io: buffered", "io: { alpha: direct, beta: buffered }", StringComparison.Ordinal));
        Assert.Equal(0, (await nodes.Alpha.ExecuteAsync(new ControlCommand(ControlVerb.Adjust, TwoNodes.Resource, null, new ControlOptions()), default)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Detach, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Volumes[0].DiskState == DiskState.Diskless);
        ControlResult attached = await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Attach, volume: "v");
        Assert.Equal(ExitCodes.NoLocalDisk, attached.ExitCode);
        Assert.Contains("alpha.img cannot have io: direct: it has 67109376 bytes, which is no multiple of 4096", attached.Message, StringComparison.Ordinal);
        Assert.Contains("io: buffered", attached.Hint, StringComparison.Ordinal);
        Assert.Equal(DiskState.Diskless, nodes.Alpha.GetStatus()[0].Volumes[0].DiskState);
    }

    /// <summary>Nothing is allocated a request on the client's thread; for a read, on no thread.</summary>
    [Theory]
    [InlineData(NbdCommand.Write)]
    [InlineData(NbdCommand.Read)]
    public async Task Many_requests_at_once_allocate_nothing(NbdCommand command)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(io: "direct");
        using var client = new BatchClient(nodes.AlphaVolume, 8);
        using var flusher = new Client(nodes.AlphaVolume);
        int callersThread = Environment.CurrentManagedThreadId;
        long others = 0;
        long othersBefore = -1;
        client.Answered = () =>
        {
            if (command != NbdCommand.Read || Environment.CurrentManagedThreadId == callersThread)
                return;
            long now = GC.GetAllocatedBytesForCurrentThread();
            if (othersBefore < 0)
                othersBefore = now;
            others = now - othersBefore;
        };
        long allocated = 0;
        int begun = nodes.Gates["alpha"].Begun;
        for (int round = 0; round < 6; round++)
        {
            Assert.Equal(NbdError.Ok, flusher.Do(NbdCommand.Flush, 0, 0));
            callersThread = Environment.CurrentManagedThreadId;
            others = 0;
            othersBefore = -1;
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 60; i++)
            {
                for (int request = 0; request < 8; request++)
                    client.Add(command, (i * 8 + request) * FourKiB, FourKiB);
                if (client.Run() > 0)
                    Assert.Fail("a request failed");
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal((0L, 0L), (allocated, others));
        Assert.InRange(nodes.Gates["alpha"].Begun - begun, 2_000, int.MaxValue);
    }

    private static void Fill(BatchClient client, long offset, byte value)
    {
        for (int i = 0; i < 8; i++)
            client.Add(NbdCommand.Write, offset + i * FourKiB, FourKiB).Fill(value);
        Assert.Equal(0, client.Run());
    }

    private static void AssertReads(BatchClient client, long offset, byte value)
    {
        for (int i = 0; i < 8; i++)
            client.Add(NbdCommand.Read, offset + i * FourKiB, FourKiB).Fill(0xEE);
        client.Submit();
        Assert.Equal(0, client.Await());
        for (int i = 0; i < 8; i++)
            Assert.False(client.Data(i).ContainsAnyExcept(value));
        client.Clear();
    }

    private static void WriteAndRead(TwoNodes nodes, int number, long start, int length)
    {
        using var client = new BatchClient(nodes.AlphaVolume, 16);
        var random = new Random(number);
        byte[] model = new byte[length];
        (int Offset, int Length)[] ranges = new (int, int)[16];
        for (int round = 0; round < 60; round++)
        {
            int count = 1 + random.Next(16);
            for (int i = 0; i < count; i++)
            {
                // Half of them whole blocks of the disk, the rest anywhere; those of one batch may overlap and are carried out in their order.
                bool isWhole = random.Next(2) == 0;
                long at = start + random.Next(length - 40_000);
                int bytes = 1 + random.Next(20_000);
                if (isWhole)
                    (at, bytes) = ((at + 4095) & -4096, (bytes + 4095) & -4096);
                ranges[i] = ((int)(at - start), bytes);
                NbdCommandFlags flags = random.Next(10) == 0 ? NbdCommandFlags.ForceUnitAccess : 0;
                if (random.Next(8) == 0)
                {
                    client.Add(random.Next(2) == 0 ? NbdCommand.Trim : NbdCommand.WriteZeroes, at, bytes, flags);
                    model.AsSpan(ranges[i].Offset, bytes).Clear();
                    continue;
                }

                Span<byte> data = client.Add(NbdCommand.Write, at, bytes, flags);
                random.NextBytes(data);
                data.CopyTo(model.AsSpan(ranges[i].Offset));
            }

            Assert.Equal(0, client.Run());
            for (int i = 0; i < count; i++)
                client.Add(NbdCommand.Read, start + ranges[i].Offset, ranges[i].Length);
            client.Submit();
            Assert.Equal(0, client.Await());
            for (int i = 0; i < count; i++)
                Assert.True(client.Data(i).SequenceEqual(model.AsSpan(ranges[i].Offset, ranges[i].Length)), $"client {number}, round {round}");
            client.Clear();
        }
    }
}
