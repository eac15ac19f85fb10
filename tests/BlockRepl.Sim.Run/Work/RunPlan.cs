using BlockRepl.Core;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Run;

/// <summary>What one run is like: all of it drawn from the seed, and printed at the top of a report.</summary>
internal sealed class RunPlan
{
    private readonly int _diskUs;
    private readonly int _linkUs;
    private readonly int _carrierUs;
    private readonly HashSet<Fault> _without;

    public RunPlan(ulong seed, HashSet<Fault> without)
    {
        _without = without;
        var chance = new Prng(seed ^ 0x9E37_79B9);
        IsReckless = chance.OneIn(3);
        Volumes = 1 + chance.Below(3);
        Protocol = chance.Below(10) switch { 0 => WriteProtocol.A, 1 => WriteProtocol.B, _ => WriteProtocol.C };
        if (IsReckless)
            Protocol = (WriteProtocol)(1 + chance.Below(3));
        Fencing = chance.Below(4) switch { 0 => FencingPolicy.ResourceOnly, 1 => FencingPolicy.ResourceAndStonith, _ => FencingPolicy.DontCare };
        IsWide = chance.OneIn(3);
        VolumeBytes = (IsWide ? 400L : 40L) << 20;
        Blocks = 24 + chance.Below(80);
        ClientsPerVolume = 1 + chance.Below(3);
        Depth = 1 + chance.Below(4);
        ThinkUs = chance.Below(3) switch { 0 => 500, 1 => 5_000, _ => 40_000 };
        _diskUs = chance.Below(3) switch { 0 => 100, 1 => 1_000, _ => 8_000 };
        _linkUs = chance.Below(3) switch { 0 => 50, 1 => 500, _ => 10_000 };
        _carrierUs = chance.OneIn(2) ? 20 : 400;
        OperationsPerFault = chance.Below(3) switch { 0 => 12, 1 => 40, _ => 120 };
        FaultIntervalUs = chance.Below(3) switch { 0 => 3_000_000, 1 => 8_000_000, _ => 20_000_000 };
        OperationsMax = 600 + chance.Below(2_400);
        SafetyUs = 60_000_000L + chance.Below(240_000_000);
        IsOldPeer = chance.OneIn(8);
        HasRarePauses = chance.OneIn(2);
        Settings = new ResourceSettings
        {
            Name = "mail",
            NodeName = "alpha",
            Peers = ["beta"],
            Volumes = [.. new[] { "spool", "postgres", "index" }.Take(Volumes)],
            Protocol = Protocol,
            Fencing = Fencing,
            Handlers = HandlerSet.All,
            OnIoError = chance.OneIn(3) ? IoErrorPolicy.PassOn : IoErrorPolicy.Detach,
            OnNoDataAccessible = chance.OneIn(2) ? NoDataPolicy.SuspendIo : NoDataPolicy.IoError,
            DiskTimeoutMs = chance.OneIn(3) ? 2_000 : 0,
            TimeoutMs = chance.OneIn(2) ? 6_000 : 2_000,
            KoCount = chance.OneIn(2) ? 7 : 2,
            OnCongestion = Protocol == WriteProtocol.A && chance.OneIn(2) ? CongestionPolicy.PullAhead : CongestionPolicy.Block,
            CongestionFillBytes = 12 << 10,
            EpochWritesMax = chance.OneIn(2) ? 16 : 2048,
            EpochAgeMaxMs = chance.OneIn(2) ? 1_000 : 30_000,
            ResyncImpactPercent = chance.OneIn(2) ? 100 : 30,
            ResyncChecksums = (ResyncChecksums)chance.Below(3),
            ActivityLogExtentsMax = int.MaxValue,
            RoleConflict = chance.OneIn(3) ? RoleConflictPolicy.RetryConnect : RoleConflictPolicy.Disconnect,
        };
    }

    /// <summary>The operator promotes what he should not, and forces it.</summary>
    public bool IsReckless { get; }

    /// <summary>Volumes of the resource.</summary>
    public int Volumes { get; }

    /// <summary>When a write is acknowledged.</summary>
    public WriteProtocol Protocol { get; }

    /// <summary>The policy of both nodes.</summary>
    public FencingPolicy Fencing { get; }

    /// <summary>The clients' blocks lie in more extents than the activity log has places for.</summary>
    public bool IsWide { get; }

    /// <summary>Size of each volume.</summary>
    public long VolumeBytes { get; }

    /// <summary>Blocks of each volume that clients use.</summary>
    public int Blocks { get; }

    /// <summary>Connections to each volume.</summary>
    public int ClientsPerVolume { get; }

    /// <summary>Requests that a client has in flight at once.</summary>
    public int Depth { get; }

    /// <summary>How long a client thinks, at most.</summary>
    public int ThinkUs { get; }

    /// <summary>Mean number of client operations between two faults: a fault hits a cluster that works, however quick its clients are.</summary>
    public int OperationsPerFault { get; }

    /// <summary>Mean time between two faults where clients are not served.</summary>
    public int FaultIntervalUs { get; }

    /// <summary>Client operations after which the safety phase ends.</summary>
    public int OperationsMax { get; }

    /// <summary>Simulated time after which the safety phase ends.</summary>
    public long SafetyUs { get; }

    /// <summary>Beta speaks protocol version 1.</summary>
    public bool IsOldPeer { get; }

    /// <summary>Clients rest now and then, so that the nodes come to rest.</summary>
    public bool HasRarePauses { get; }

    /// <summary>Alpha's configuration.</summary>
    public ResourceSettings Settings { get; }

    /// <summary>A node's configuration.</summary>
    public ResourceSettings SettingsOf(int node) => node == 0
        ? Settings
        : Settings with { NodeName = "beta", Peers = ["alpha"], NewestProtocol = IsOldPeer ? ProtocolVersion.V1 : ProtocolVersion.Newest };

    /// <summary>Whether a fault may happen in this run.</summary>
    public bool Has(Fault fault) => !_without.Contains(fault) && (fault != Fault.RecklessPromotion || IsReckless);

    /// <summary>How long a disk takes.</summary>
    public long DiskLatency(EffectKind kind, Prng chance) =>
        kind == EffectKind.LocalFlush ? 4 * Around(_diskUs, chance) : Around(_diskUs, chance);

    /// <summary>How long a read takes.</summary>
    public long ReadLatency(Prng chance) => Around(_diskUs / 2, chance);

    /// <summary>How long a metadata write takes.</summary>
    public long MetadataLatency(Prng chance) => 2 * Around(_diskUs, chance);

    /// <summary>How long a frame takes.</summary>
    public long LinkDelay(Prng chance) => Around(_linkUs, chance);

    /// <summary>How long until whoever carries effects out comes round to the next.</summary>
    public long CarrierDelay(Prng chance) => chance.Below(_carrierUs);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(IsReckless ? "reckless" : "sane")} operator, protocol {Protocol}{(IsOldPeer ? ", beta speaks version 1" : "")}, fencing {Fencing}, {Volumes} volumes of {VolumeBytes >> 20} MiB with {Blocks} blocks in use, "
        + $"{ClientsPerVolume} clients a volume with {Depth} requests each and up to {ThinkUs} us between them, disk {_diskUs} us, link {_linkUs} us, a fault every {OperationsPerFault} operations or {FaultIntervalUs / 1000} ms, "
        + $"at most {OperationsMax} operations and {SafetyUs / 1_000_000} s; on-io-error {Settings.OnIoError}, on-no-data {Settings.OnNoDataAccessible}, disk-timeout {Settings.DiskTimeoutMs} ms, timeout {Settings.TimeoutMs} ms, "
        + $"ko-count {Settings.KoCount}, congestion {Settings.OnCongestion}, epochs of {Settings.EpochWritesMax} writes or {Settings.EpochAgeMaxMs} ms, checksums {Settings.ResyncChecksums}, rr-conflict {Settings.RoleConflict}"
        + (_without.Count > 0 ? $"; without {string.Join(",", _without.Order())}" : "");

    // Mostly near the mean, now and then ten times that: so that what was asked for first is not always over first.
    private static long Around(int us, Prng chance) => chance.OneIn(20) ? us + chance.Below(10 * us + 1) : us / 2 + chance.Below(us + 1);
}
