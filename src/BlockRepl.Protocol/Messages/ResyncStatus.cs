using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>How one volume's resync goes, in a <see cref="PeerStatusMessage"/>. A volume without a resync and without a pause has none. Since version 2.</summary>
/// <param name="Nr">The sender's number of the volume.</param>
/// <param name="Paused">The sender's operator has paused resyncs of this volume.</param>
/// <param name="TotalBytes">Source only: what was marked when the resync began, and since.</param>
/// <param name="LeftBytes">Source only: what is still marked.</param>
/// <param name="BytesPerSecond">Source only: over the last seconds; 0 when stalled.</param>
/// <param name="EqualBytes">Source only: found equal by checksum and not sent.</param>
/// <param name="ZeroBytes">Source only: zeroes, of which no data was sent.</param>
public readonly record struct ResyncStatus(
    VolumeNr Nr, bool Paused, long TotalBytes, long LeftBytes, long BytesPerSecond, long EqualBytes, long ZeroBytes);
