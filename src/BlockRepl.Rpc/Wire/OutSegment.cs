using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Wire;

/// <summary>Bytes that wait to be sent; holds one reference on the buffer.</summary>
internal readonly record struct OutSegment(BlockBuffer Buffer, int Offset, int Length);
