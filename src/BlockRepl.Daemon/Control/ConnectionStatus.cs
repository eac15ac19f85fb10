using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Control;

/// <summary>The connection to one peer. Immutable.</summary>
public sealed record ConnectionStatus
{
    /// <summary>The peer's name.</summary>
    public required string Peer { get; init; }

    /// <summary>State of the connection.</summary>
    public required ConnectionState ConnectionState { get; init; }

    /// <summary>The peer's role; Unknown while it is not connected.</summary>
    public Role PeerRole { get; init; }

    /// <summary>Every configured volume, in the order of the configuration.</summary>
    public required IReadOnlyList<PeerVolumeStatus> Volumes { get; init; }

    /// <summary>Whole seconds since the connection state last changed.</summary>
    public long SinceSeconds { get; init; }

    /// <summary>Whole seconds since the peer was last Connected, through all attempts since; 0 while it is.</summary>
    public long DisconnectedSeconds { get; init; }

    /// <summary>Bytes that wait in this node's queue to the peer.</summary>
    public long QueuedBytes { get; init; }

    /// <summary>The queue is more than four fifths of what it may be: clients are about to wait for it.</summary>
    public bool IsCongested { get; init; }

    /// <summary>The protocol version spoken with the peer (G15); 0 while it is not connected.</summary>
    public uint ProtocolVersion { get; init; }

    /// <summary>Why the peer is not connected, or "split brain" with both sides' changes, in words; null when all is well.</summary>
    public string? Detail { get; init; }

    /// <summary>Of an absent peer: "outdated" when it is known not to go on by itself, else what is being done about that, in words; null when there is nothing to do.</summary>
    public string? Fence { get; init; }

    /// <summary>What is in force while the two nodes' configurations differ, in words; null when they do not.</summary>
    public string? Note { get; init; }

    /// <summary>Frames from the peer whose checksum or structure was wrong, since the daemon started; each ended its connection, and what it carried was resynced (G10).</summary>
    public long ChecksumErrors { get; init; }

    /// <summary>The last of them, and when; null if there was none.</summary>
    public string? ChecksumError { get; init; }
}
