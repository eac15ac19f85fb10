using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>One client's read on its way to the peer and back.</summary>
/// <param name="Id">Names it on the wire.</param>
/// <param name="Range">What is wanted.</param>
/// <param name="Cookie">The asker's own object, handed back with the answer.</param>
internal sealed record RemoteRead(ulong Id, ByteRange Range, object Cookie);
