namespace BlockRepl.Core;

/// <summary>How a resync goes, as its source counts; the target shows what the source told it.</summary>
/// <param name="TotalBytes">What was marked when it began, or more if marks were added since.</param>
/// <param name="LeftBytes">What is still marked.</param>
/// <param name="BytesPerSecond">How fast the marks become fewer, over the last seconds; 0 while stalled, paused or not known.</param>
/// <param name="EqualBytes">Found equal by checksum and not sent.</param>
/// <param name="ZeroBytes">Zeroes, of which no data was sent.</param>
/// <param name="WaitingFor">What holds it up, in words; empty if nothing does.</param>
public readonly record struct ResyncProgress(
    long TotalBytes, long LeftBytes, long BytesPerSecond, long EqualBytes, long ZeroBytes, string WaitingFor);
