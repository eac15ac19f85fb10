using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Adjust;

/// <summary>One step of an <c>adjust</c>: what it says of itself before, and what it then does.</summary>
/// <param name="Lines">A line for each thing that changes, as <c>--dry-run</c> prints it.</param>
/// <param name="RunAsync">Does it. A refusal or a failure ends the adjustment there.</param>
internal sealed record AdjustStep(IReadOnlyList<string> Lines, Func<Task<ControlResult>> RunAsync);
