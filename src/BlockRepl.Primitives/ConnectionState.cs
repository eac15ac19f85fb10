namespace BlockRepl.Primitives;

/// <summary>State of the connection to one peer, in DRBD's words.</summary>
public enum ConnectionState : byte
{
    /// <summary>No connection is wanted: not configured up, disconnected by an operator, or refused by a handshake.</summary>
    StandAlone = 0,

    /// <summary>The connection is being taken down on request.</summary>
    Disconnecting = 1,

    /// <summary>Momentary: between two attempts.</summary>
    Unconnected = 2,

    /// <summary>Momentary: the peer was silent for too long.</summary>
    Timeout = 3,

    /// <summary>Momentary: the peer's end closed.</summary>
    BrokenPipe = 4,

    /// <summary>Momentary: the network reported an error.</summary>
    NetworkFailure = 5,

    /// <summary>Momentary: the peer broke the protocol, or a frame was damaged.</summary>
    ProtocolError = 6,

    /// <summary>Momentary: the peer is closing the connection in good order.</summary>
    TearDown = 7,

    /// <summary>Trying to reach the peer, or waiting for it to dial.</summary>
    Connecting = 8,

    /// <summary>Connected; each volume's replication state says what happens on it.</summary>
    Connected = 9,
}
