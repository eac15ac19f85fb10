namespace BlockRepl.Daemon.Configuration;

/// <summary>The optional NBD listener on TCP. Without it NBD is served on the Unix socket alone (G14).</summary>
/// <param name="Listen">Where each node listens.</param>
/// <param name="Tls">Certificates for NBD clients; null is clear text.</param>
public sealed record NbdConfiguration(PerNode<NodeAddress> Listen, TlsConfiguration? Tls);
