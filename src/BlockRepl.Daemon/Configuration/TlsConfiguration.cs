namespace BlockRepl.Daemon.Configuration;

/// <summary>Certificate files (PEM), absolute paths; whether they exist and fit is checked when they are opened.</summary>
/// <param name="Ca">The certificates that a counterpart must be signed by; null only where the counterpart needs no certificate.</param>
/// <param name="Cert">This node's certificate.</param>
/// <param name="Key">Its private key.</param>
public sealed record TlsConfiguration(PerNode<string>? Ca, PerNode<string> Cert, PerNode<string> Key);
