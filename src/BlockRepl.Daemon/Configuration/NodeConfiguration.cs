namespace BlockRepl.Daemon.Configuration;

/// <summary>One node of the cluster.</summary>
/// <param name="Name">The name that its certificate carries and that the other node knows it by.</param>
/// <param name="Address">Where it listens for its peers, and where this node dials it.</param>
public sealed record NodeConfiguration(string Name, NodeAddress Address);
