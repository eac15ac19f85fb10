using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// The legal moves between connection states; every other one is a bug. The momentary states (Timeout and so on) name why a connection ended and are left at once.
/// </summary>
/// <remarks>
/// <code>
/// StandAlone ──connect──► Unconnected ──► Connecting ──handshake──► Connected
///     ▲                        ▲                                       │
///     │                        └─ Timeout | BrokenPipe | NetworkFailure | ProtocolError | TearDown
///     └──── Disconnecting ◄──── disconnect, down, refused handshake ───┘
/// </code>
/// </remarks>
internal static class ConnectionStates
{
    /// <summary>Moves the peer's connection to <paramref name="next"/>.</summary>
    public static void Enter(ResourceContext context, Peer peer, ConnectionState next)
    {
        if (peer.State == next)
            return;
        Check.That(IsLegal(peer.State, next), "illegal connection state transition");
        peer.State = next;
        peer.StateSinceMs = context.NowMs;
        context.StateChanged = true;
    }

    /// <summary>Whether one state may follow another.</summary>
    public static bool IsLegal(ConnectionState from, ConnectionState to) => (from, to) switch
    {
        (ConnectionState.StandAlone, ConnectionState.Unconnected) => true,
        (ConnectionState.Unconnected, ConnectionState.Connecting or ConnectionState.StandAlone or ConnectionState.Disconnecting) => true,
        (ConnectionState.Connecting, ConnectionState.Connected or ConnectionState.Disconnecting) => true,
        (ConnectionState.Connecting or ConnectionState.Connected,
            ConnectionState.Timeout or ConnectionState.BrokenPipe or ConnectionState.NetworkFailure
            or ConnectionState.ProtocolError or ConnectionState.TearDown) => true,
        (ConnectionState.Connected, ConnectionState.Disconnecting) => true,
        (ConnectionState.Timeout or ConnectionState.BrokenPipe or ConnectionState.NetworkFailure
            or ConnectionState.ProtocolError or ConnectionState.TearDown, ConnectionState.Unconnected or ConnectionState.Disconnecting) => true,
        (ConnectionState.Disconnecting, ConnectionState.StandAlone) => true,
        _ => false,
    };
}
