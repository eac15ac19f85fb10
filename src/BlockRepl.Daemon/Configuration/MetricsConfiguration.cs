namespace BlockRepl.Daemon.Configuration;

/// <summary>Metrics over HTTP. Without it none are served.</summary>
/// <param name="Listen">Where each node listens.</param>
public sealed record MetricsConfiguration(PerNode<NodeAddress> Listen)
{
    /// <summary>Where <c>metrics: on</c> listens: this machine alone. Beside drbd-reactor's 9942, so that both run on a machine that moves from one to the other.</summary>
    public static NodeAddress AddressDefault { get; } = new("127.0.0.1", 9943);
}
