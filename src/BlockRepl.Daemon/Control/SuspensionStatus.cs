namespace BlockRepl.Daemon.Control;

/// <summary>Why client I/O is held.</summary>
/// <param name="Reason">One word: <c>user</c>, <c>fencing</c>, <c>handshake</c>, <c>role-change</c>.</param>
/// <param name="SinceSeconds">For how long.</param>
/// <param name="Detail">What it waits for, in words; null where the word says it all.</param>
public sealed record SuspensionStatus(string Reason, long SinceSeconds, string? Detail);
