namespace BlockRepl.Crash.Cluster;

/// <summary>What a scenario needs of its cluster.</summary>
/// <param name="DiskBytes">Size of each disk.</param>
/// <param name="IsExternal">Metadata on disks of their own.</param>
/// <param name="GrowsToBytes">A size that the configuration gives the disks, for <c>resize</c>; 0 for the one they have.</param>
internal sealed record CrashPlan(long DiskBytes = 24 << 20, bool IsExternal = false, long GrowsToBytes = 0);
