using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Nbd;

/// <summary>
/// One validated request on its way through an export, from <see cref="INbdExport.Submit"/> to
/// <see cref="INbdReplySink.Complete"/>. The connection pools these objects: after Complete the object may already stand for
/// another request, so nobody touches it then.
/// </summary>
/// <remarks>
/// Buffer: a write's payload or a read's destination. It belongs to the request until Complete; the connection releases it
/// (after sending, for reads). An export that needs the bytes longer takes a reference of its own. One owner at a time; not
/// thread-safe by itself.
/// </remarks>
public class NbdRequest
{
    // Block status extents in wire form; kept for reuse, so that a pooled request grows it once.
    private byte[] _extents = [];
    private int _extentCount;
    private uint _extentBytes;
    private uint _lastState;

    private NbdRequestHeader _header;

    /// <summary>The request as it came.</summary>
    public ref readonly NbdRequestHeader Header => ref _header;

    /// <summary>What to do. Never <see cref="NbdCommand.Disconnect"/> or <see cref="NbdCommand.Cache"/>: the connection answers those.</summary>
    public NbdCommand Command => _header.Command;

    /// <summary>Flags, only those legal for the command.</summary>
    public NbdCommandFlags Flags => _header.Flags;

    /// <summary>The client's name for the request; unique among its requests in flight.</summary>
    public ulong Cookie => _header.Cookie;

    /// <summary>First byte; within the export.</summary>
    public long Offset => (long)_header.Offset;

    /// <summary>Bytes; offset + length is within the export. Zero for FLUSH only.</summary>
    public uint Length => _header.Length;

    /// <summary>Payload of a write, destination of a read, null for the rest.</summary>
    public BlockBuffer? Buffer { get; set; }

    /// <summary>Where the answer goes.</summary>
    public INbdReplySink Sink { get; private set; } = null!;

    /// <summary>Whether the change must be stable before it is answered.</summary>
    public bool IsForceUnitAccess => (Flags & NbdCommandFlags.ForceUnitAccess) != 0;

    /// <summary>The range; empty for FLUSH.</summary>
    public ByteRange Range => new(Offset, Length);

    /// <summary>Block status extents added so far.</summary>
    public int ExtentCount => _extentCount;

    /// <summary>The extents in wire form: length and state of each, big-endian.</summary>
    public ReadOnlySpan<byte> EncodedExtents => _extents.AsSpan(0, _extentCount * 8);

    /// <summary>Makes the object stand for a new request. For connections and for tests.</summary>
    public void Begin(in NbdRequestHeader header, INbdReplySink sink)
    {
        _header = header;
        Buffer = null;
        Sink = sink;
        _extentCount = 0;
        _extentBytes = 0;
        _lastState = uint.MaxValue;
    }

    /// <summary>
    /// Adds the next extent of a BLOCK_STATUS answer, in order from <see cref="Offset"/>; like neighbours are merged, and what
    /// lies beyond the request is cut. Returns whether more is wanted. At least one must be added before success.
    /// </summary>
    public bool AddExtent(uint length, bool isHole, bool isZero)
    {
        Check.That(length > 0, "an extent has at least one byte");
        uint left = Length - _extentBytes;
        if (left == 0)
            return false;
        uint state = (isHole ? NbdWire.StateHole : 0) | (isZero ? NbdWire.StateZero : 0);
        length = Math.Min(length, left);
        if (state == _lastState)
        {
            Span<byte> last = _extents.AsSpan((_extentCount - 1) * 8);
            BinaryPrimitives.WriteUInt32BigEndian(last, BinaryPrimitives.ReadUInt32BigEndian(last) + length);
        }
        else
        {
            int countMax = (Flags & NbdCommandFlags.RequestOne) != 0 ? 1 : NbdLimits.ExtentsMax;
            if (_extentCount == countMax)
                return false;
            if (_extents.Length < (_extentCount + 1) * 8)
                Array.Resize(ref _extents, Math.Max(64, _extents.Length * 2));
            Span<byte> next = _extents.AsSpan(_extentCount++ * 8);
            BinaryPrimitives.WriteUInt32BigEndian(next, length);
            BinaryPrimitives.WriteUInt32BigEndian(next[4..], state);
            _lastState = state;
        }

        _extentBytes += length;
        return _extentBytes < Length;
    }
}
