using System.Net;
using System.Net.Sockets;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Replication;
using BlockRepl.Daemon.Tests.Control;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Two nodes in this process: real disks (files), real streams on loopback, in clear text. Dispose stops them in good order.</summary>
internal sealed class TwoNodes : IAsyncDisposable
{
    public const string Resource = "r";

    private readonly TemporaryDirectory _directory = new();
    private readonly List<RunDirectory> _runDirectories = [];

    private TwoNodes()
    {
    }

    public NodeRuntime Alpha { get; private set; } = null!;

    public NodeRuntime Beta { get; private set; } = null!;

    public RuntimeVolume AlphaVolume => Alpha.Resources[0].Runtime.Volumes[0];

    public RuntimeVolume BetaVolume => Beta.Resources[0].Runtime.Volumes[0];

    public string DiskOf(string node) => Path.Combine(_directory.Path, node + ".img");

    /// <summary>Creates metadata, starts both and makes alpha Primary with beta in sync.</summary>
    public static async Task<TwoNodes> InSyncAsync(string more = "", long size = 64 << 20)
    {
        var nodes = new TwoNodes();
        string file = Path.Combine(nodes._directory.Path, "blockrepl.yaml");
        await File.WriteAllTextAsync(file, $$"""
            nodes:
              alpha: { address: "127.0.0.1:{{FreePort()}}" }
              beta:  { address: "127.0.0.1:{{FreePort()}}" }
            tls: off
            resources:
              r:
                compression: off
                {{more}}
                volumes:
                  v: { disk: { alpha: alpha.img, beta: beta.img }, size: {{size}} }
            """);
        nodes.Alpha = await nodes.StartAsync(file, "alpha", "beta", size);
        nodes.Beta = await nodes.StartAsync(file, "beta", "alpha", size);
        Assert.Equal(0, (await DoAsync(nodes.Alpha, ControlVerb.Primary, force: true)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        return nodes;
    }

    public static async Task<ControlResult> DoAsync(NodeRuntime node, ControlVerb verb, bool force = false) =>
        await node.ExecuteAsync(new ControlCommand(verb, Resource, null, new ControlOptions { Force = force }), default);

    /// <summary>Waits for a state, event by event.</summary>
    public async Task AwaitAsync(NodeRuntime node, Func<ResourceStatus, bool> reached)
    {
        EventHub events = _events[node];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            Task change = events.NextChangeAsync();
            if (reached(node.GetStatus()[0]))
                return;
            await change.WaitAsync(limit.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await Alpha.StopAsync(limit.Token);
        await Beta.StopAsync(limit.Token);
        foreach (RunDirectory directory in _runDirectories)
            directory.Dispose();
        _directory.Dispose();
    }

    private readonly Dictionary<NodeRuntime, EventHub> _events = [];

    private async Task<NodeRuntime> StartAsync(string file, string node, string peer, long size)
    {
        (ClusterConfiguration? configuration, _) = ConfigurationReader.Read(file);
        await using (FileStream disk = File.Create(DiskOf(node)))
            disk.SetLength(size);
        var place = new VolumePlace(Resource, "v", DiskOf(node), null, node, [peer], 67);
        Assert.Equal(0, new VolumeMetadataTool(() => (ulong)node.Length).Create(place, force: false).ExitCode);
        RunDirectory run = RunDirectory.Open(Path.Combine(_directory.Path, "run-" + node));
        _runDirectories.Add(run);
        var events = new EventHub();
        var runtime = new NodeRuntime(new DaemonContext(configuration!, node, run, true, events, NullLoggerFactory.Instance));
        _events.Add(runtime, events);
        await runtime.StartAsync(default);
        return runtime;
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
