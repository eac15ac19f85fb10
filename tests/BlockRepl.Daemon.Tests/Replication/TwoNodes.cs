using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Devices;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Replication;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Device;
using BlockRepl.Primitives;
using BlockRepl.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Two nodes in this process: real disks (files), real streams on loopback, in clear text. Dispose stops them in good order.</summary>
internal sealed class TwoNodes : IAsyncDisposable
{
    public const string Resource = "r";

    private readonly TemporaryDirectory _directory = new();
    private readonly List<RunDirectory> _runDirectories = [];

    private IKernelNbd? _kernel;

    private TwoNodes()
    {
    }

    public NodeRuntime Alpha { get; private set; } = null!;

    public NodeRuntime Beta { get; private set; } = null!;

    public RuntimeVolume AlphaVolume => Alpha.Resources[0].Runtime.Volumes[0];

    public RuntimeVolume BetaVolume => Beta.Resources[0].Runtime.Volumes[0];

    /// <summary>Where faults of a node's disk are injected; the newest disk that the node has opened.</summary>
    public Dictionary<string, FaultyDevice> Faults { get; } = [];

    /// <summary>Where calls into a node's disk are held up; the newest disk that the node has opened.</summary>
    public Dictionary<string, DelayDevice> Delays { get; } = [];

    /// <summary>Where requests in a node's disk's queue are kept back, with <c>io: direct</c>; the newest disk that the node has opened.</summary>
    public Dictionary<string, QueueGate> Gates { get; } = [];

    /// <summary>Calls that are held up on every disk that is opened from now on.</summary>
    public DeviceOperation HeldFromTheOpening { get; set; }

    /// <summary>The configuration file, which both nodes read.</summary>
    public string File => Path.Combine(_directory.Path, "blockrepl.yaml");

    public string DiskOf(string node) => Path.Combine(_directory.Path, node + ".img");

    /// <summary>Creates metadata, starts both and makes alpha Primary with beta in sync.</summary>
    /// <param name="more">Lines for the resource.</param>
    /// <param name="size">Bytes of each disk.</param>
    /// <param name="second">Keys of a second volume, w; none without them.</param>
    /// <param name="kernel">The kernel's NBD client as alpha sees it; null: none.</param>
    /// <param name="io">The first volume's; with <c>direct</c> its disks have queues, and no calls of theirs fail.</param>
    public static async Task<TwoNodes> InSyncAsync(string more = "", long size = 64 << 20, string second = "", IKernelNbd? kernel = null, string io = "buffered")
    {
        var nodes = new TwoNodes { _kernel = kernel };
        string file = nodes.File;
        string secondVolume = second.Length > 0 ? $"w: {{ disk: {{ alpha: alpha-w.img, beta: beta-w.img }}, size: {size}, {second} }}" : "";
        if (second.Length > 0)
        {
            nodes.CreateDisk("alpha", "beta", Resource, "w", "alpha-w.img", size);
            nodes.CreateDisk("beta", "alpha", Resource, "w", "beta-w.img", size);
        }

        await System.IO.File.WriteAllTextAsync(file, $$"""
            nodes:
              alpha: { address: "127.0.0.1:{{FreePorts.Next()}}" }
              beta:  { address: "127.0.0.1:{{FreePorts.Next()}}" }
            tls: off
            resources:
              r:
                compression: off
                {{more}}
                volumes:
                  v: { disk: { alpha: alpha.img, beta: beta.img }, size: {{size}}, io: {{io}} }
                  {{secondVolume}}
            """);
        nodes.Alpha = await nodes.StartAsync(file, "alpha", "beta", size);
        nodes.Beta = await nodes.StartAsync(file, "beta", "alpha", size);
        Assert.Equal(0, (await DoAsync(nodes.Alpha, ControlVerb.Primary, force: true)).ExitCode);
        await nodes.AwaitAsync(nodes.Alpha, status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
        return nodes;
    }

    /// <summary>Ends alpha's daemon in good order and starts another in its run directory.</summary>
    public async Task RestartAlphaAsync()
    {
        await StopAlphaAsync();
        await StartAlphaAsync();
    }

    public async Task StopAlphaAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await Alpha.StopAsync(limit.Token);
    }

    /// <summary>Beta dies: no farewell, and nobody answers for it any more.</summary>
    public void KillBeta()
    {
        _isBetaDead = true;
        Beta.Dispose();
    }

    public async Task StartAlphaAsync() => Alpha = await RunAsync(File, "alpha", _runDirectories[0]);

    public static async Task<ControlResult> DoAsync(NodeRuntime node, ControlVerb verb, bool force = false, string resource = Resource, string? volume = null) =>
        await node.ExecuteAsync(new ControlCommand(verb, resource, volume, new ControlOptions { Force = force }), default);

    /// <summary>Changes the configuration file.</summary>
    public async Task EditAsync(Func<string, string> change) =>
        await System.IO.File.WriteAllTextAsync(File, change(await System.IO.File.ReadAllTextAsync(File)));

    /// <summary>Makes a file of 64 MiB and metadata on it.</summary>
    public void CreateDisk(string node, string peer, string resource, string volume, string name, long sizeBytes = 64 << 20)
    {
        string path = Path.Combine(_directory.Path, name);
        using (FileStream disk = System.IO.File.Create(path))
            disk.SetLength(sizeBytes);
        Assert.Equal(0, new VolumeMetadataTool(() => (ulong)name.Length).Create(new VolumePlace(resource, volume, path, null, node, [peer], 67), force: false).ExitCode);
    }

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
        if (!_isBetaDead)
            await Beta.StopAsync(limit.Token);
        foreach (RunDirectory directory in _runDirectories)
            directory.Dispose();
        _directory.Dispose();
    }

    private readonly Dictionary<NodeRuntime, EventHub> _events = [];
    private bool _isBetaDead;

    /// <summary>Both disks of the first volume hold the same, as far as 48 MiB.</summary>
    public void AssertSameData()
    {
        byte[] here = new byte[48 << 20];
        byte[] there = new byte[48 << 20];
        Assert.Equal(DiskResult.Ok, AlphaVolume.Disk!.Read(0, here));
        Assert.Equal(DiskResult.Ok, BetaVolume.Disk!.Read(0, there));
        Assert.True(here.AsSpan().SequenceEqual(there));
    }

    private async Task<NodeRuntime> StartAsync(string file, string node, string peer, long size)
    {
        CreateDisk(node, peer, Resource, "v", Path.GetFileName(DiskOf(node)), size);
        RunDirectory run = RunDirectory.Open(Path.Combine(_directory.Path, "run-" + node));
        _runDirectories.Add(run);
        return await RunAsync(file, node, run);
    }

    private async Task<NodeRuntime> RunAsync(string file, string node, RunDirectory run)
    {
        (ClusterConfiguration? configuration, _) = ConfigurationReader.Read(file);
        var events = new EventHub();
        var runtime = new NodeRuntime(new DaemonContext(configuration!, node, run, true, events, NullLoggerFactory.Instance)
        {
            DeviceFilter = (_, device) =>
            {
                bool isDirect = device is DirectFileDevice;
                Delays[node] = new DelayDevice(isDirect ? Gates[node] = new QueueGate(device) : device);
                Delays[node].Hold(HeldFromTheOpening);
                return isDirect ? Delays[node] : Faults[node] = new FaultyDevice(Delays[node]);
            },
        }, node == "alpha" ? _kernel : null);
        _events.Add(runtime, events);
        await runtime.StartAsync(default);
        return runtime;
    }
}
