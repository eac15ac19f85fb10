using BlockRepl.Primitives;

namespace BlockRepl.Rpc;

/// <summary>Part of a buffer that goes onto the wire without being copied.</summary>
public readonly record struct PayloadSegment(BlockBuffer Buffer, int Offset, int Length);
