using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>One change of a Changes frame, without its payload. Offset and length are in bytes.</summary>
public readonly record struct ChangeHeader(
    ChangeKind Kind, VolumeNr Volume, long Offset, long Length, ChangeFlags Flags)
{
    /// <summary>The bytes of the volume that it touches; empty for a flush.</summary>
    public ByteRange Range => new(Offset, Length);

    /// <summary>Bytes that it has in the frame's raw data: all of a write's, none of the others'.</summary>
    public long PayloadLength => Kind == ChangeKind.Write ? Length : 0;
}
