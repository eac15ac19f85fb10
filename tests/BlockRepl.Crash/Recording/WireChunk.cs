namespace BlockRepl.Crash.Recording;

/// <summary>Bytes that one node sent and the other received: what the receiver did later, it may have done because of them.</summary>
/// <param name="From">0 alpha, 1 beta.</param>
/// <param name="Sent">When they were seen to have been sent.</param>
/// <param name="Delivered">When they were handed on.</param>
internal readonly record struct WireChunk(int From, long Sent, long Delivered);
