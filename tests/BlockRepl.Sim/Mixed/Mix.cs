using BlockRepl.Primitives;

namespace BlockRepl.Sim.Mixed;

/// <summary>What a history is rich in. Numbers are chances in a thousand steps.</summary>
public sealed record Mix(string Name)
{
    /// <summary>Steps before it is healed.</summary>
    public int Steps { get; init; } = 400;

    /// <summary>Now and then the cluster gets the time to come to rest, with a Primary: what follows hits one that works, not one that still recovers.</summary>
    public bool Rests { get; init; }

    /// <summary>A client asks for something.</summary>
    public int Client { get; init; } = 250;

    /// <summary>The network fails.</summary>
    public int Cut { get; init; } = 20;

    /// <summary>An operator acts.</summary>
    public int Operator { get; init; } = 40;

    /// <summary>A process or a host dies.</summary>
    public int Death { get; init; } = 15;

    /// <summary>Of the deaths, those of a host that loses power, in a hundred.</summary>
    public int PowerPercent { get; init; } = 50;

    /// <summary>Of the deaths, those of both nodes at once, in a hundred.</summary>
    public int BothPercent { get; init; } = 20;

    /// <summary>Who dies more often than not; null if it is nobody in particular.</summary>
    public Role? Victim { get; init; }

    /// <summary>Somebody promotes the survivor of a Primary as soon as it has noticed the loss.</summary>
    public bool FailsOver { get; init; }

    /// <summary>What is dead starts.</summary>
    public int Start { get; init; } = 40;

    /// <summary>A disk fails, is detached, attached.</summary>
    public int Disk { get; init; }

    /// <summary>It is mostly a Primary that loses a disk, and the disk comes back soon.</summary>
    public bool DisksReturn { get; init; }

    /// <summary>Disk operations that fail.</summary>
    public int DiskErrors { get; init; }

    /// <summary>Frames that are damaged on the way, or come late from an old connection.</summary>
    public int BadFrames { get; init; }

    /// <summary>Of the stretches of a history, those in which one node's disks are slow, in a hundred.</summary>
    public int SlowPercent { get; init; }

    /// <summary>Resync data waits before it is sent, so that changes overtake it.</summary>
    public bool HoldsBulk { get; init; }

    /// <summary>Of the answers of fence handlers, those that come late, in a hundred.</summary>
    public int LateAnswerPercent { get; init; }

    /// <summary>The policy of both nodes; with one, nobody promotes by force and <c>fence-peer</c> decides.</summary>
    public FencingPolicy Fencing { get; init; } = FencingPolicy.DontCare;

    /// <summary>The replication protocol.</summary>
    public WriteProtocol Protocol { get; init; } = WriteProtocol.C;

    /// <summary>An operator promotes whatever there is.</summary>
    public bool IsReckless { get; init; }

    /// <summary>Extents that clients use: mostly more than the log has places.</summary>
    public int Extents { get; init; } = MixedClient.Extents;

    /// <summary>Places of each activity log.</summary>
    public int LogExtents { get; init; } = 4;

    /// <summary>Blocks of each extent that clients use.</summary>
    public int BlocksPerExtent { get; init; } = 3;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Mix> All { get; } =
    [
        new("power") { Death = 25, PowerPercent = 80, BothPercent = 40 },
        new("resync") { Cut = 40, Death = 20, PowerPercent = 60, BlocksPerExtent = 10, Client = 180 },
        new("disks") { Disk = 25, DiskErrors = 15, Death = 10 },
        new("network") { Cut = 35, BadFrames = 30, Death = 6, BlocksPerExtent = 8 },
        new("protocol-b") { Protocol = WriteProtocol.B, Operator = 60, PowerPercent = 0 },
        new("fencing") { Fencing = FencingPolicy.ResourceOnly, Operator = 60, Cut = 30, LateAnswerPercent = 70 },
        new("stonith") { Fencing = FencingPolicy.ResourceAndStonith, Operator = 60, Cut = 30, LateAnswerPercent = 30 },
        new("slow") { Rests = true, FailsOver = true, Victim = Role.Primary, SlowPercent = 90, Client = 300, Cut = 4, Death = 40, PowerPercent = 50, BothPercent = 5, Operator = 10, Start = 40, Steps = 480 },
        new("eviction") { Rests = true, Victim = Role.Secondary, LogExtents = 2, SlowPercent = 90, Steps = 640, Client = 330, Cut = 2, Death = 14, PowerPercent = 95, BothPercent = 10, Operator = 10, Start = 80 },
        new("returning") { DisksReturn = true, Disk = 40, Client = 170, Cut = 3, Death = 2, PowerPercent = 0, Operator = 5, Extents = 2, BlocksPerExtent = 2, HoldsBulk = true, Steps = 600 },
        new("split-brain") { IsReckless = true, Operator = 60, Cut = 30 },
    ];
}
