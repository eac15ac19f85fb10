using System.Net.Sockets;

namespace BlockRepl.Cli.Tests;

/// <summary>Exit status 10: the daemon cannot be reached, or the configuration is refused.</summary>
public sealed class UnreachableTests
{
    [Theory]
    [InlineData("role")]
    [InlineData("status --json")]
    [InlineData("status --watch")]
    [InlineData("events")]
    [InlineData("primary mail")]
    [InlineData("wait-sync mail --timeout 30s")]
    public async Task A_daemon_that_is_not_there_is_named_with_its_socket(string line)
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, output, error) = await harness.RunAsync(line.Split(' '));

        Assert.Equal((10, ""), (code, output));
        Assert.Equal(
            $"the daemon cannot be reached at {harness.Directory.Path}/control.sock: there is no such socket\n"
            + "start it with \"blockrepl daemon\" or \"systemctl start blockrepl\", or name its directory with --run-dir\n", error);
    }

    [Fact]
    public async Task A_dead_daemons_socket_is_no_daemon()
    {
        await using var harness = Harness.WithoutDaemon();
        using var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        dead.Bind(new UnixDomainSocketEndPoint(harness.Directory.File("control.sock")));

        var (code, _, error) = await harness.RunAsync("role");

        Assert.Equal(10, code);
        Assert.Contains("Connection refused", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_directory_with_too_long_a_name_is_no_bug()
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, _, error) = await harness.RunAsync("role", "--run-dir", "/" + new string('x', 200));
        Assert.Equal(10, code);
        Assert.StartsWith("the daemon cannot be reached at /xxx", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_hangs_up_is_said_to_have_ended()
    {
        await using var harness = Harness.WithoutDaemon();
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(harness.Directory.File("control.sock")));
        listener.Listen();
        var running = harness.RunAsync("primary", "mail");
        using (var caller = await listener.AcceptAsync())
            await caller.ReceiveAsync(new byte[1]);

        var (code, _, error) = await running;
        Assert.Equal(10, code);
        Assert.Contains("ended before it answered", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Configuration_errors_are_named_by_offline_verbs_all_at_once()
    {
        await using var harness = Harness.WithoutDaemon();
        File.AppendAllText(harness.Directory.File("blockrepl.yaml"), "resourses: {}\ntls: off\n");
        var file = harness.Directory.File("blockrepl.yaml");

        var (code, _, error) = await harness.RunAsync("create-md", "all");

        Assert.Equal(10, code);
        Assert.Equal(
            $"{file}:10:1: unknown key \"resourses\"; did you mean \"resources\"?\n{file}:11:1: key \"tls\" stands twice in the configuration\n",
            error);
    }

    [Fact]
    public async Task A_node_that_the_configuration_does_not_have_is_named()
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, _, error) = await harness.RunAsync("--node", "gamma", "create-md", "all");

        Assert.Equal(10, code);
        Assert.Equal(
            $"{harness.Directory.File("blockrepl.yaml")}: no node is called \"gamma\"; the nodes are alpha, beta\n"
            + "name this node with --node or BLOCKREPL_NODE\n", error);
    }
}
