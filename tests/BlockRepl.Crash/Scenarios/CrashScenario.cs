using BlockRepl.Crash.Cluster;

namespace BlockRepl.Crash.Scenarios;

/// <summary>A story to be cut at every moment.</summary>
/// <param name="Name">As tests and messages call it.</param>
/// <param name="Plan">The cluster that it needs.</param>
/// <param name="PlayAsync">What happens.</param>
internal sealed record CrashScenario(string Name, CrashPlan Plan, Func<Scene, Task> PlayAsync);
