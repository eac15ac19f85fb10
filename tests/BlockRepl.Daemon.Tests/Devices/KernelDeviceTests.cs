using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Devices;
using BlockRepl.Daemon.Tests.Replication;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Devices;

/// <summary>The life of a kernel device, against a kernel of the test's own. tests/e2e/kernel-device.sh has the real one.</summary>
public sealed class KernelDeviceTests
{
    private static readonly byte[] Data = [.. Enumerable.Repeat((byte)0x5a, 4096)];

    [Fact]
    public async Task G15_a_device_is_served_again_after_a_restart_and_no_request_is_answered_with_an_error()
    {
        var kernel = new FakeKernel();
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(kernel: kernel);
        Assert.Equal("/dev/nbd0", (await AttachAsync(nodes)).Message);
        Assert.Equal(0, kernel.Write(0, Data));
        await nodes.RestartAlphaAsync();
        await AwaitAsync(nodes, DeviceState.Connected);
        Assert.Equal(Role.Primary, nodes.Alpha.GetStatus()[0].Role);
        Assert.Equal(0, kernel.Write(4096, Data));
        Assert.Equal(["connect", "io-timeout 2000", "reconnect"], kernel.Log);
    }

    [Fact]
    public async Task A_socket_that_the_kernel_dropped_silently_is_recognised_and_another_is_offered()
    {
        var kernel = new FakeKernel();
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(kernel: kernel);
        await AttachAsync(nodes);
        kernel.DropNext(3);
        await nodes.RestartAlphaAsync();
        await UntilAsync(() => kernel.Log.Count(word => word == "reconnect") == 4 && State(nodes) == DeviceState.Connected);
        Assert.Equal(0, kernel.Write(0, Data));
    }

    [Fact]
    public async Task G15_a_link_that_ends_under_a_living_daemon_is_replaced()
    {
        var kernel = new FakeKernel();
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(kernel: kernel);
        await AttachAsync(nodes);
        Assert.Equal(-1, kernel.Write(0, [1, 2, 3], magic: 0)); // no request: the server hangs up
        await UntilAsync(() => kernel.Log.Contains("reconnect") && State(nodes) == DeviceState.Connected);
        Assert.Equal(0, kernel.Write(0, Data));
    }

    [Fact]
    public async Task G15_a_device_whose_data_the_peer_may_have_replaced_is_ended_and_never_resumed()
    {
        var kernel = new FakeKernel();
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(kernel: kernel);
        await AttachAsync(nodes);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Disconnect)).ExitCode);
        await nodes.StopAlphaAsync();
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Primary, force: true)).ExitCode);
        await nodes.StartAlphaAsync();
        await UntilAsync(() => kernel.Log.Contains("disconnect"));
        await UntilAsync(() => nodes.Alpha.GetDevices().Count == 0);
        Assert.DoesNotContain("reconnect", kernel.Log);
        Assert.Equal(Role.Secondary, nodes.Alpha.GetStatus()[0].Role);
    }

    [Fact]
    public async Task The_proof_that_a_device_may_be_resumed_is_gone_before_the_peers_first_byte_arrives()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary)).ExitCode);
        string proof = nodes.File + ".proof";
        await File.WriteAllTextAsync(proof, "");
        DeviceGuard guard = nodes.Alpha.Resources[0].Runtime.DeviceGuard;
        guard.Watch([proof]);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Primary)).ExitCode);
        using (var client = new Client(nodes.BetaVolume))
            Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, 4096)); // protocol C: alpha has it
        Assert.False(File.Exists(proof));
        Assert.Equal("beta is Primary", guard.SpoiledBy);
    }

    [Fact]
    public async Task A_device_without_a_record_is_ended_at_the_start()
    {
        var kernel = new FakeKernel();
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(kernel: kernel);
        await AttachAsync(nodes);
        await nodes.StopAlphaAsync();
        Directory.Delete(Path.Combine(Path.GetDirectoryName(nodes.File)!, "run-alpha", "devices"), recursive: true);
        await nodes.StartAlphaAsync();
        Assert.Contains("disconnect", kernel.Log);
        Assert.Empty(nodes.Alpha.GetDevices());
    }

    [Fact]
    public async Task A_demotion_takes_an_unused_device_with_it()
    {
        var kernel = new FakeKernel();
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(kernel: kernel);
        await AttachAsync(nodes);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary)).ExitCode);
        Assert.Contains("disconnect", kernel.Log);
        Assert.Empty(nodes.Alpha.GetDevices());
    }

    [Fact]
    public async Task Attach_is_refused_on_a_Secondary_and_without_a_kernel_client_says_what_to_use()
    {
        var kernel = new FakeKernel { Obstacle = "this kernel has no NBD client (module nbd)" };
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(kernel: kernel);
        ControlResult refused = await AttachAsync(nodes);
        Assert.Equal(ExitCodes.StateRefused, refused.ExitCode);
        Assert.Contains("no NBD client", refused.Message);
        Assert.Contains("--via fuse", refused.Hint);
        refused = await TwoNodes.DoAsync(nodes.Beta, ControlVerb.DeviceAttach, volume: "v");
        Assert.Equal(ExitCodes.StateRefused, refused.ExitCode);
        Assert.Contains("Secondary on node beta", refused.Message);
        Assert.Contains("blockrepl primary", refused.Hint);
    }

    private static async Task<ControlResult> AttachAsync(TwoNodes nodes)
    {
        ControlResult result = await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.DeviceAttach, volume: "v");
        return result;
    }

    private static DeviceState? State(TwoNodes nodes) => nodes.Alpha.GetDevices().SingleOrDefault()?.State;

    private static Task AwaitAsync(TwoNodes nodes, DeviceState state) => UntilAsync(() => State(nodes) == state);

    // Devices publish no events; the question is cheap and has a deadline.
    private static async Task UntilAsync(Func<bool> reached)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!reached())
            await timer.WaitForNextTickAsync(limit.Token);
    }
}
