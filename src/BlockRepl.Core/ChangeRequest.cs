using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// One change of a volume (or one flush) on its way through Core. Pooled: it belongs to Core from <see cref="ResourceCore.Apply"/> until its
/// last condition is met; the edge only carries it inside effects and gives it back inside completions.
/// </summary>
public sealed class ChangeRequest
{
    internal const int NotActive = -1;

    /// <summary>Write, trim, zeroes, flush.</summary>
    public ChangeKind Kind { get; internal set; }

    /// <summary>The volume it changes.</summary>
    public VolumeNr Volume { get; internal set; }

    /// <summary>The bytes it changes; empty for a flush.</summary>
    public ByteRange Range { get; internal set; }

    /// <summary>FUA, must stay allocated, background.</summary>
    public ChangeFlags Flags { get; internal set; }

    /// <summary>Holds a write's data; null for the other kinds. Core holds one reference until the request ends.</summary>
    public BlockBuffer? Buffer { get; internal set; }

    /// <summary>Where in <see cref="Buffer"/> the data begins.</summary>
    public int BufferOffset { get; internal set; }

    /// <summary>Its place in stream order; zero before it has one.</summary>
    public SequenceNumber Sequence { get; internal set; }

    /// <summary>Who asked.</summary>
    public ChangeOrigin Origin { get; internal set; }

    /// <summary>The asker's own object, handed back in the reply.</summary>
    public object? Cookie { get; internal set; }

    /// <summary>The first error of the local disk or, with no disk left, of the whole request.</summary>
    internal DiskResult Result;

    /// <summary>When a client asked for it (monotonic µs).</summary>
    internal long AskedUs;

    /// <summary>What the request still waits for.</summary>
    internal ChangeWaits Waits;

    /// <summary>Index in its volume's table of active changes, or <see cref="NotActive"/>.</summary>
    internal int ActiveIndex = NotActive;

    /// <summary>The activity log that covers it, entered and not left.</summary>
    internal ActivityLog? Log;

    /// <summary>The edge has it: nothing of it may be used again before its completion has come.</summary>
    internal bool IsUnderWay;

    /// <summary>The disk that it was handed to the edge for, by its number: on no other may it be carried out.</summary>
    public ulong DiskSerial { get; internal set; }

    /// <summary>Its disk was given up: its completion means nothing any more.</summary>
    internal bool IsLate;

    /// <summary>Nobody in Core needs it any more; it goes back to the pool when the edge has let go of it.</summary>
    internal bool IsOver;

    /// <summary>Only the peer has it: it is done when the peer has applied it, whatever the protocol.</summary>
    internal bool IsServed;

    /// <summary>The peer that was its only copy is gone.</summary>
    internal bool IsStranded;

    /// <summary>On a Secondary: the local part is over, so the acknowledgement may pass it.</summary>
    internal bool IsApplied;

    /// <summary>The link that a <see cref="ChangeOrigin.Peer"/> or resync change came by.</summary>
    internal LinkId Link;

    /// <summary>The resync chunk that this request moves, for the two resync origins.</summary>
    public ResyncChunk? Chunk { get; internal set; }

    /// <summary>The bytes of a write.</summary>
    public ReadOnlySpan<byte> Data => Buffer is null ? default : Buffer.Span.Slice(BufferOffset, checked((int)Range.Length));

    /// <summary>The range that this request reads for a comparison.</summary>
    public VerifyChunk? Verify { get; internal set; }

    /// <summary>When a client's change came (monotonic ms).</summary>
    internal long AdmittedMs;

    internal bool IsFlush => Kind == ChangeKind.Flush;

    /// <summary>The write must be on stable storage when it is done.</summary>
    public bool IsForceUnitAccess => (Flags & ChangeFlags.Fua) != 0;

    internal void Reset()
    {
        Buffer = null;
        Cookie = null;
        Chunk = null;
        Verify = null;
        Result = DiskResult.Ok;
        Waits = ChangeWaits.None;
        ActiveIndex = NotActive;
        IsApplied = false;
        Log = null;
        IsUnderWay = false;
        IsLate = false;
        IsOver = false;
        IsServed = false;
        IsStranded = false;
        Sequence = default;
        Link = LinkId.None;
        Flags = 0;
        BufferOffset = 0;
    }
}
