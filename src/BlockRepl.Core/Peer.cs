using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>One peer node and the connection to it. Owned by <see cref="ResourceCore"/>; touched only under the gate.</summary>
internal sealed class Peer(PeerId id, string name)
{
    public PeerId Id { get; } = id;

    public string Name { get; } = name;

    /// <summary>An operator wants this connection.</summary>
    public bool IsWanted { get; set; }

    public ConnectionState State { get; set; } = ConnectionState.StandAlone;

    /// <summary>Why the last connection ended or was refused, in words; empty while all is well.</summary>
    public string Detail { get; set; } = "";

    /// <summary>When <see cref="State"/> was entered (monotonic ms).</summary>
    public long StateSinceMs { get; set; }

    /// <summary>The operator named this node the victim of a split brain for the next handshake.</summary>
    public bool DiscardMyData { get; set; }

    /// <summary>The established stream, or none.</summary>
    public LinkId Link { get; set; }

    public HandshakeStep Step { get; set; }

    public Role Role { get; set; }

    /// <summary>The connection is being ended to be made anew at once: the peer is not lost yet.</summary>
    public bool IsExpectedBack { get; set; }

    /// <summary>The peer's half of the handshake, once complete (I10).</summary>
    public ResourceStateMessage? PeerState { get; set; }

    /// <summary>The peer's verdict, if it came before this node's.</summary>
    public VerdictMessage? PeerVerdict { get; set; }

    /// <summary>The protocol version that both sides of this connection speak; decided by the two Hellos.</summary>
    public ProtocolVersion Version { get; set; }

    /// <summary>Handshakes in a row that ended in a refusal that will not go away by itself.</summary>
    public int RefusedInRow { get; set; }
    /// <summary>When a write counts as done, by the peer's configuration; what it last said on this connection.</summary>
    public WriteProtocol PeerProtocol { get; set; } = WriteProtocol.C;

    /// <summary>The safer of what the two configurations say (docs/decisions/0040).</summary>
    public WriteProtocol Agreed { get; set; } = WriteProtocol.C;

    /// <summary>When a write counts as done on this connection: <see cref="Agreed"/>, or C until it is on record that changes are answered early (<see cref="EarlyAnswers"/>).</summary>
    public WriteProtocol Protocol { get; set; } = WriteProtocol.C;

    /// <summary>What this node last told the peer of itself on this connection.</summary>
    public PeerStatusMessage? StatusSent { get; set; }

    /// <summary>What this Primary goes on with, should it lose the peer, belongs to the history of both (<see cref="OneHistory"/>).</summary>
    public bool SharesHistory { get; set; }

    // Primary's side of the stream.

    /// <summary>Changes that wait for the peer's acknowledgement, in stream order.</summary>
    public Queue<ChangeRequest> AwaitingAck { get; } = new();

    /// <summary>What was sent and is not applied there; kept only where a congested peer may fall behind.</summary>
    public SentLog Sent { get; } = new();

    /// <summary>The newest change that was, or may be, answered before the peer has applied it (protocols A and B); the protocol may have changed since.</summary>
    public SequenceNumber AnsweredEarly { get; set; }

    /// <summary>Stream position up to which the peer has applied everything.</summary>
    public SequenceNumber Applied { get; set; }

    /// <summary>Reads that this Primary has asked the peer for and not got.</summary>
    public int ReadsAsked { get; set; }

    /// <summary>Bytes of <see cref="ReadsAsked"/>.</summary>
    public long ReadBytesAsked { get; set; }

    /// <summary>Reads that the peer has asked this node for and not got.</summary>
    public int ReadsServed { get; set; }

    /// <summary>Bytes of <see cref="ReadsServed"/>.</summary>
    public long ReadBytesServed { get; set; }

    /// <summary>When the peer last made progress, or last had nothing to do (monotonic ms).</summary>
    public long ProgressMs { get; set; }

    /// <summary>When anything last came in (monotonic ms); given by the edge with each tick.</summary>
    public long LastReceivedMs { get; set; }

    /// <summary>When anything was last sent (monotonic ms).</summary>
    public long LastSentMs { get; set; }

    /// <summary>How fast resyncs towards the peer may go.</summary>
    public ResyncPace Pace { get; } = new();

    // Secondary's side of the stream.

    /// <summary>The newest stream position that has arrived.</summary>
    public SequenceNumber Received { get; set; }

    /// <summary>Changes that have arrived, in stream order, until everything before them is applied.</summary>
    public Queue<ChangeRequest> Arrived { get; } = new();

    /// <summary>What the changes of its stream weigh in memory that are not on this node's disk yet.</summary>
    public long UnappliedBytes { get; set; }

    /// <summary>Everything up to here is on this node's disk.</summary>
    public SequenceNumber AppliedHere { get; set; }

    /// <summary>What the last acknowledgement said.</summary>
    public SequenceNumber AckSent { get; set; }

    public SequenceNumber ReceivedAckSent { get; set; }

    /// <summary>Barriers that wait until everything before them is applied.</summary>
    public Queue<(SequenceNumber Sequence, Volume Volume, bool IsBackground)> Barriers { get; } = new();

    /// <summary>What the peer said of a volume in this connection's handshake; null if it has none of that name.</summary>
    public VolumeStateInfo? StateOf(Volume volume)
    {
        foreach (VolumeStateInfo theirs in PeerState?.Volumes ?? [])
        {
            if (theirs.Name == volume.Name)
                return theirs;
        }

        return null;
    }

    public bool IsConnected => State == ConnectionState.Connected;

    /// <summary>The peer has work of this node's to finish.</summary>
    public bool OwesProgress { get; set; }
}
