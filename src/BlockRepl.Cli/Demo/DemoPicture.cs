namespace BlockRepl.Cli.Demo;

/// <summary>One look at the cluster.</summary>
/// <param name="Nodes">Name and state of each node.</param>
/// <param name="Load">The load since the look before; null for none.</param>
internal sealed record DemoPicture(IReadOnlyList<(string Name, string State)> Nodes, LoadFigures? Load);
