using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Part of a dirty bitmap that must become durable.</summary>
/// <param name="PeerSlot">The peer's slot in the metadata.</param>
/// <param name="Bitmap">The live bitmap.</param>
/// <param name="FirstBlock">First block of the range.</param>
/// <param name="BlockCount">Number of blocks.</param>
public readonly record struct BitmapRange(int PeerSlot, DirtyBitmap Bitmap, long FirstBlock, long BlockCount);
