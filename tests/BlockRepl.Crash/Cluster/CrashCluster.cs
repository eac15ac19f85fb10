using BlockRepl.Crash.Recording;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using BlockRepl.Tests;

namespace BlockRepl.Crash.Cluster;

/// <summary>
/// Two real nodes in this process, over disks in memory: the daemon's runtime, its connections, its metadata, everything but the kernel's files. With a history what they do is recorded,
/// and a wire that can be cut is between them.
/// </summary>
internal sealed class CrashCluster : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("blockrepl-crash-");
    private readonly IBlockDevice[][] _disks;
    private readonly Guid[] _boots;
    private readonly NodeRuntime?[] _nodes = new NodeRuntime?[2];
    private readonly EventHub[] _events = [new(), new()];
    private readonly RunDirectory?[] _runDirectories = new RunDirectory?[2];
    private readonly LineLog[] _logs = [new(), new()];
    private readonly int[] _ports = [FreePorts.Next(), FreePorts.Next()];

    /// <param name="plan">What the configuration says.</param>
    /// <param name="disks">By node: the data disk, and the metadata's own if it has one.</param>
    /// <param name="boots">Tell each host's boot from its others.</param>
    /// <param name="history">Where to record; null records nothing.</param>
    public CrashCluster(CrashPlan plan, IBlockDevice[][] disks, Guid[] boots, History? history)
    {
        _disks = disks;
        _boots = boots;
        History = history;
        Wire = history is null ? null : new Relay(history, _ports[1]);
        for (int node = 0; node < 2; node++)
        {
            File.WriteAllText(ConfigurationOf(node), TextFor(plan, node));
            foreach (string name in new[] { "disk", "meta" })
            {
                using FileStream file = File.Create(PathOf(node, name));
                file.SetLength(1 << 20);
            }
        }
    }

    public History? History { get; }

    public Relay? Wire { get; }

    /// <summary>For canaries: what a disk that lies answers and does not do, by kind and offset.</summary>
    public Func<DiskCallKind, long, bool>? IsLost { get; init; }

    public string LogTail => $"alpha said:\n{_logs[0].Tail}\nbeta said:\n{_logs[1].Tail}";

    public NodeRuntime this[int node] => _nodes[node]!;

    public RuntimeVolume VolumeOf(int node) => this[node].Resources[0].Runtime.Volumes[0];

    public ResourceStatus StatusOf(int node) => this[node].GetStatus()[0];

    /// <summary>A node starts, with everything up.</summary>
    public async Task StartAsync(int node)
    {
        (ClusterConfiguration? configuration, IReadOnlyList<ConfigurationError> errors) = ConfigurationReader.Read(ConfigurationOf(node));
        Assert.True(configuration is not null, string.Join('\n', errors));
        _runDirectories[node] = RunDirectory.Open(Path.Combine(_directory.FullName, "run-" + PlannedCluster.Nodes[node]));
        _nodes[node] = new NodeRuntime(new DaemonContext(configuration, PlannedCluster.Nodes[node], _runDirectories[node]!, true, _events[node], _logs[node])
        {
            DeviceFilter = (path, file) => Instead(node, path, file),
            ReadBootId = () => _boots[node],
        });
        await _nodes[node]!.StartAsync(default);
    }

    /// <summary>A node stops in good order.</summary>
    public async Task StopAsync(int node)
    {
        if (_nodes[node] is not { } runtime)
            return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await runtime.StopAsync(limit.Token);
        _runDirectories[node]!.Dispose();
        _nodes[node] = null;
    }

    public async Task<ControlResult> DoAsync(int node, ControlVerb verb, ControlOptions? options = null) => await this[node].ExecuteAsync(
        new ControlCommand(verb, PlannedCluster.Resource, verb is ControlVerb.Resize or ControlVerb.Attach or ControlVerb.Detach ? PlannedCluster.Volume : null, options ?? new ControlOptions()), default);

    /// <summary>As <see cref="DoAsync"/>, and it must be done.</summary>
    public async Task MustAsync(int node, ControlVerb verb, ControlOptions? options = null)
    {
        ControlResult result = await DoAsync(node, verb, options);
        if (result.ExitCode != 0)
            throw new InvalidOperationException($"{verb} on {PlannedCluster.Nodes[node]}: {result.ExitCode} {result.Message}; {result.Hint}\n{LogTail}");
    }

    /// <summary>Waits for a state, event by event.</summary>
    public async Task AwaitAsync(int node, string what, Func<ResourceStatus, bool> reached)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            Task change = _events[node].NextChangeAsync();
            ResourceStatus status = StatusOf(node);
            if (reached(status))
                return;
            try
            {
                await change.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{PlannedCluster.Nodes[node]} never reached \"{what}\": {WaitCondition.Missing(WaitGoal.Sync, status, null) ?? "in sync"}; {status.Role}, waiting for {string.Join(", ", status.Volumes[0].WaitingFor)}\n{LogTail}");
            }
        }
    }

    /// <summary>A block of a node's disk becomes zeroes, behind the daemon's back.</summary>
    public void Damage(int node, long block) => _disks[node][0].WriteZeroes(block * Primitives.Block.Size, Primitives.Block.Size, mayPunchHole: true, fastOnly: false);

    public async Task AwaitInSyncAsync()
    {
        for (int node = 0; node < 2; node++)
            await AwaitAsync(node, "in sync", status => WaitCondition.Missing(WaitGoal.Sync, status, null) is null);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(0);
        await StopAsync(1);
        Wire?.Dispose();
        if (Directory.Exists(_directory.FullName))
            Directory.Delete(_directory.FullName, recursive: true);
    }

    private IBlockDevice Instead(int node, string path, IBlockDevice file)
    {
        file.Dispose();
        int index = path.EndsWith("meta", StringComparison.Ordinal) ? 1 : 0;
        IBlockDevice disk = _disks[node][index];
        return History is null ? disk : new TracedDevice(History, History.Disks[node][index], disk, IsLost);
    }

    private string PathOf(int node, string name) => Path.Combine(_directory.FullName, $"{PlannedCluster.Nodes[node]}.{name}");

    private string ConfigurationOf(int node) => PathOf(node, "yaml");

    // Each node listens where it says, and dials what its own file says of its peer: alpha's says the wire's end.
    private string TextFor(CrashPlan plan, int node) => $$"""
        nodes:
          alpha: { address: "127.0.0.1:{{_ports[0]}}" }
          beta:  { address: "127.0.0.1:{{(node == 0 && Wire is not null ? Wire.Port : _ports[1])}}" }
        tls: off
        resources:
          r:
            compression: off
            al-extents: 67
            connect-int: 1s
            volumes:
              v: { disk: { alpha: "{{PathOf(0, "disk")}}", beta: "{{PathOf(1, "disk")}}" }, size: {{Math.Max(plan.DiskBytes, plan.GrowsToBytes)}}{{(plan.IsExternal ? $", meta-disk: {{ alpha: \"{PathOf(0, "meta")}\", beta: \"{PathOf(1, "meta")}\" }}" : "")}} }
        """;
}
