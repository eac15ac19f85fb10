using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc;
using PeerVolumeStatus = BlockRepl.Daemon.Control.PeerVolumeStatus;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Resyncs on real files and streams.</summary>
public class ResyncRuntimeTests
{
    private const int FourKiB = 4096;

    private static PeerVolumeStatus At(ResourceStatus status) => status.Connections[0].Volumes[0];

    private static bool IsInSync(ResourceStatus status) => WaitCondition.Missing(WaitGoal.Sync, status, null) is null;

    private static byte ReadByte(RuntimeVolume volume, long offset)
    {
        var one = new byte[1];
        Assert.True(volume.Disk!.Read(offset, one).IsOk);
        return one[0];
    }

    /// <summary>Thin: an empty TiB is in sync within seconds, and stays empty on both disks (hard part 13).</summary>
    [Fact]
    public async Task A_sparse_TiB_is_synced_in_seconds_and_stays_sparse()
    {
        const long Size = 1L << 40;
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(size: Size);
        long bytes = nodes.Alpha.GetStatus()[0].Volumes[0].SizeBytes;
        using (var client = new Client(nodes.AlphaVolume))
        {
            client.Data.Fill(7);
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, bytes - FourKiB, FourKiB));
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, bytes / 2, FourKiB));
        }

        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Invalidate)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, IsInSync);
        foreach (RuntimeVolume volume in new[] { nodes.AlphaVolume, nodes.BetaVolume })
        {
            Assert.Equal(7, ReadByte(volume, bytes - 1));
            Assert.True(volume.Disk!.GetExtent(0, bytes, out DeviceExtent extent).IsOk);
            Assert.True(extent.IsHole);
            Assert.InRange(extent.Length, (bytes / 2) - (1 << 20), bytes / 2);
        }
    }

    [Fact]
    public async Task A_resync_by_checksum_mends_what_differs()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("csums-after-crash-only: no");
        using (var client = new Client(nodes.AlphaVolume))
        {
            client.Data.Fill(7);
            for (int i = 0; i < 40; i++)
                Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, i * 65536L, 65536));
        }

        // Behind the daemon's back: .NET's own files respect its lock.
        using (var tool = System.Diagnostics.Process.Start("dd", ["if=/dev/zero", $"of={nodes.DiskOf("beta")}", "bs=4096", "seek=256", "count=1", "conv=notrunc", "status=none"]))
        {
            await tool.WaitForExitAsync();
            Assert.Equal(0, tool.ExitCode);
        }

        Assert.Equal(0, ReadByte(nodes.BetaVolume, 1 << 20));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Invalidate)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, IsInSync);
        for (int i = 0; i < 40; i++)
            Assert.Equal(7, ReadByte(nodes.BetaVolume, i * 65536L));
    }

    [Fact]
    public async Task A_pause_shows_on_both_nodes_and_outlives_a_reconnect()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.PauseSync)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.InvalidateRemote)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => At(status).ReplicationState == ReplicationState.PausedSyncS);
        await nodes.AwaitAsync(nodes.Beta, status => At(status).ReplicationState == ReplicationState.PausedSyncT);
        PeerVolumeStatus paused = At(nodes.Alpha.GetStatus()[0]);
        Assert.Null(paused.ResyncEtaSeconds);
        Assert.StartsWith("resume-sync on beta", paused.ResyncWaitingFor, StringComparison.Ordinal);
        Assert.InRange(paused.ResyncPercent, 0, 99.99);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Disconnect)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Connect)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => At(status).ReplicationState == ReplicationState.PausedSyncS);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.ResumeSync)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, IsInSync);
        await nodes.AwaitAsync(nodes.Beta, IsInSync);
    }

    /// <summary>While an application writes, the resync makes room for it, and both end well.</summary>
    [Fact]
    public async Task A_resync_beside_an_application_ends()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync("resync-impact: 30%");
        using var client = new Client(nodes.AlphaVolume);
        client.Data.Fill(9);
        for (int i = 0; i < 200; i++)
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, i * 65536L, 65536));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Invalidate)).ExitCode);
        bool wasHeldBack = false;
        for (int i = 0; !IsInSync(nodes.Alpha.GetStatus()[0]); i++)
        {
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, i % 1000 * 4096L, FourKiB));
            wasHeldBack |= At(nodes.Alpha.GetStatus()[0]).ResyncWaitingFor is not null;
        }

        Assert.True(wasHeldBack);
        var left = new byte[1 << 20];
        var right = new byte[1 << 20];
        for (long at = 0; at < 16 << 20; at += left.Length)
        {
            Assert.True(nodes.AlphaVolume.Disk!.Read(at, left).IsOk && nodes.BetaVolume.Disk!.Read(at, right).IsOk);
            Assert.True(left.AsSpan().SequenceEqual(right));
        }
    }

    /// <summary>resync-after: the second volume stands while the first is being resynced, and goes on by itself.</summary>
    [Fact]
    public async Task A_chain_of_volumes_is_resynced_one_after_the_other()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(second: "resync-after: v");
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.PauseSync, volume: "v")).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.InvalidateRemote, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, _ => nodes.Alpha.Resources[0].Runtime.Volumes[1].AwaitsTurn);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.InvalidateRemote, volume: "w")).ExitCode);
        await nodes.AwaitAsync(nodes.Beta, status => status.Connections[0].Volumes[1].ReplicationState == ReplicationState.PausedSyncT);
        PeerVolumeStatus waiting = nodes.Alpha.GetStatus()[0].Connections[0].Volumes[1];
        Assert.Equal(ReplicationState.PausedSyncS, waiting.ReplicationState);
        Assert.Contains("resync-after", waiting.ResyncWaitingFor, StringComparison.Ordinal);
        Assert.Equal(nodes.Alpha.GetStatus()[0].Volumes[1].SizeBytes, waiting.OutOfSyncBytes);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.ResumeSync, volume: "v")).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, IsInSync);
        Assert.False(nodes.Alpha.Resources[0].Runtime.Volumes[1].AwaitsTurn && nodes.Beta.Resources[0].Runtime.Volumes[1].AwaitsTurn);
    }

    /// <summary>G10: a frame whose checksum does not fit ends the connection, and is counted and shown; what it carried is not applied.</summary>
    [Fact]
    public async Task G10_a_damaged_frame_is_counted_and_shown()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        Assert.Equal((0L, null), (nodes.Alpha.GetStatus()[0].Connections[0].ChecksumErrors, nodes.Alpha.GetStatus()[0].Connections[0].ChecksumError));
        var channel = new RecordingChannel();
        var stream = new PeerStream(nodes.Alpha.Resources[0].Runtime, new PeerId(0), _ => { });
        byte[] frame = PeerMessageCodec.Encode(new AliveMessage(new SequenceNumber(5)));
        frame[3] ^= 1;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(frame.Length, BufferPurpose.NbdWrite);
        frame.CopyTo(buffer.Span);
        stream.OnMessage(channel, buffer);
        Assert.Contains("CRC-32C", channel.ClosedBecause, StringComparison.Ordinal);
        ConnectionStatus status = nodes.Alpha.GetStatus()[0].Connections[0];
        Assert.Equal(1, status.ChecksumErrors);
        Assert.Contains("CRC-32C does not fit its bytes at 2", status.ChecksumError, StringComparison.Ordinal);
        stream.OnClosed(channel, ChannelCloseReason.ProtocolError, channel.ClosedBecause!);
        await nodes.AwaitAsync(nodes.Alpha, IsInSync);
    }

    private sealed class RecordingChannel : IPeerChannel
    {
        public string? ClosedBecause { get; private set; }

        public string? AuthenticatedPeer => null;

        public bool IsDialer => true;

        public string RemoteAddress => "nowhere";

        public long QueuedBytes => 0;

        public long LastReceivedMs => Environment.TickCount64;

        public bool HasMore => false;

        public long MeasureLink() => 0;

        public void Send(ReadOnlySpan<byte> head, ReadOnlySpan<PayloadSegment> payload)
        {
        }

        public void Close(ChannelCloseReason reason, string detail) => ClosedBecause ??= detail;
    }
}
