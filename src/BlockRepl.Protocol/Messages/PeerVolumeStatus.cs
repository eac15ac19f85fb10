using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>The state of one volume in a <see cref="PeerStatusMessage"/>.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="DiskState">The sender's disk.</param>
/// <param name="DirtyBlocks">Blocks marked against the receiver.</param>
public readonly record struct PeerVolumeStatus(VolumeNr Nr, DiskState DiskState, long DirtyBlocks);
