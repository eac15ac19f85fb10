namespace BlockRepl.Primitives;

/// <summary>
/// A broken invariant. Nobody catches it but the outermost frame of a thread, which logs the state and ends the
/// process with <see cref="Check.ExitCode"/>.
/// </summary>
public sealed class BugException(string message) : Exception(message);
