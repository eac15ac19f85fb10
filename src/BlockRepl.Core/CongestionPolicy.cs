namespace BlockRepl.Core;

/// <summary>What a Primary does when too much is on the way to a peer (DRBD: <c>on-congestion</c>).</summary>
public enum CongestionPolicy : byte
{
    /// <summary>Writers wait.</summary>
    Block,

    /// <summary>The peer is let fall behind, on record (protocol A only).</summary>
    PullAhead,
}
