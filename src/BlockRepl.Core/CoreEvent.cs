using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>One thing that happened, for <see cref="ResourceCore.Apply"/>. Which fields count depends on <see cref="Kind"/>.</summary>
public struct CoreEvent
{
    /// <summary>What happened.</summary>
    public CoreEventKind Kind { get; set; }

    /// <summary>Monotonic milliseconds.</summary>
    public long NowMs { get; set; }

    /// <summary>The wall clock, in milliseconds since 1970 (UTC), of an event that tells the time: <see cref="CoreEventKind.Tick"/> and <see cref="CoreEventKind.DiskAttached"/>; else 0.</summary>
    public long WallMs { get; set; }

    /// <summary>The volume concerned.</summary>
    public VolumeNr Volume { get; set; }

    /// <summary>The peer concerned.</summary>
    public PeerId Peer { get; set; }

    /// <summary>The link concerned; what belongs to another link than the present one has no effect (hard part 11).</summary>
    public LinkId Link { get; set; }

    /// <summary>A stream position.</summary>
    public SequenceNumber Sequence { get; set; }

    /// <summary>A stream position up to which everything is applied.</summary>
    public SequenceNumber Applied { get; set; }

    /// <summary>A change's header.</summary>
    public ChangeHeader Header { get; set; }

    /// <summary>Where data begins in its buffer.</summary>
    public int Offset { get; set; }

    /// <summary>A ticket or a time.</summary>
    public ulong Number { get; set; }

    /// <summary>How a disk operation ended.</summary>
    public DiskResult Result { get; set; }

    /// <summary>Why a link ended.</summary>
    public ConnectionState State { get; set; }

    /// <summary>The first object.</summary>
    public object? Subject { get; set; }

    /// <summary>The second object.</summary>
    public object? Second { get; set; }
}
