namespace BlockRepl.Daemon.Configuration;

/// <summary>What a node does about a peer that it lost, in DRBD's words (drbd.conf "fencing").</summary>
public enum FencingPolicy
{
    /// <summary>Nothing.</summary>
    DontCare,

    /// <summary>Calls the fence-peer handler; I/O goes on meanwhile.</summary>
    ResourceOnly,

    /// <summary>Freezes I/O until the fence-peer handler reports the peer outdated or shot (G13).</summary>
    ResourceAndStonith,
}
