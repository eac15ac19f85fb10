namespace BlockRepl.Core;

/// <summary>One reason why clients' changes are held back.</summary>
/// <param name="Word">One word for programs: <c>user</c>, <c>fencing</c>, <c>handshake</c>, <c>role-change</c>.</param>
/// <param name="SinceMs">Since when, in monotonic milliseconds.</param>
/// <param name="Detail">What it waits for, in words; empty where the word says it all.</param>
public readonly record struct SuspensionReason(string Word, long SinceMs, string Detail);
