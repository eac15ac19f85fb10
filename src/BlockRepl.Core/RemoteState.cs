using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What a Primary knows of a volume whose own disk is gone or not current: who serves it, and what the server must have to serve it again.</summary>
internal sealed class RemoteState
{
    /// <summary>The peer that serves the volume; null while its own disk does, or nobody can.</summary>
    public PeerVolume? Server { get; set; }

    /// <summary>Generation of everything that is changed through the server; none if the peer never served since this node was promoted.</summary>
    public GenerationId Generation { get; set; }

    /// <summary>The generation before: a server that never made <see cref="Generation"/> durable comes back with this one.</summary>
    public GenerationId Base { get; set; }

    /// <summary>Generations that the lost disk may carry: one of these makes a disk that is attached the lost one, which lacks only what is marked.</summary>
    public List<GenerationId> LostGenerations { get; } = [];

    /// <summary>The server has <see cref="Generation"/> durably. Until then no change is answered: after a crash the lost disk would pass for the better copy.</summary>
    public bool IsConfirmed { get; set; }

    /// <summary>Names the request to serve that is on its way.</summary>
    public ulong ServeId { get; set; }

    /// <summary>Stream position of the newest change when the disk was lost: with protocols A and B changes up to here may be answered and not applied.</summary>
    public SequenceNumber LostAt { get; set; }

    /// <summary>When the server was lost it had not made stable all that it had applied: a loss of power there may have cost answered changes.</summary>
    public bool HadUnstable { get; set; }

    /// <summary>When the server was lost, changes that were answered were not known to be applied there.</summary>
    public bool MayMiss { get; set; }

    /// <summary>Why nobody serves, in words; empty while somebody does.</summary>
    public string Reason { get; set; } = "";

    /// <summary>Reads that wait for room or for a server, in the order in which they came.</summary>
    public Queue<RemoteRead> Waiting { get; } = new();

    /// <summary>Reads that the server has been asked for.</summary>
    public Dictionary<ulong, RemoteRead> Asked { get; } = [];

    /// <summary>Bytes of <see cref="Asked"/>.</summary>
    public long AskedBytes { get; set; }

    /// <summary>When the server last answered a read, or last had none to answer (monotonic ms).</summary>
    public long ProgressMs { get; set; }
}
