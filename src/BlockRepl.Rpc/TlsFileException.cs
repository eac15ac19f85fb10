namespace BlockRepl.Rpc;

/// <summary>A certificate or key file cannot be read, written or used; the message names it.</summary>
public sealed class TlsFileException(string message, Exception? inner = null) : Exception(message, inner);
