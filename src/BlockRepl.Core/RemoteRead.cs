using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>One client's read on its way to the peer and back.</summary>
/// <param name="Id">Names it on the wire.</param>
/// <param name="Range">What is wanted.</param>
/// <param name="Cookie">The asker's own object, handed back with the answer.</param>
/// <param name="HasFailedHere">The local disk, current as it is, could not give it.</param>
internal sealed record RemoteRead(ulong Id, ByteRange Range, object Cookie, bool HasFailedHere)
{
    /// <summary>The peer that was asked last; null if none was.</summary>
    public Peer? Asked { get; set; }
}
