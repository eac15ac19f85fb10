namespace BlockRepl.Core;

/// <summary>What the activity log of a daemon that died came to when the disk was attached (DRBD: <c>apply-al</c>).</summary>
/// <param name="Extents">Extents that the log named.</param>
/// <param name="Bytes">Bytes of data in them: all that a peer may differ in because of what was in flight.</param>
/// <param name="NewBytes">Bytes of them that no mark named yet.</param>
public readonly record struct AppliedLog(int Extents, long Bytes, long NewBytes);
