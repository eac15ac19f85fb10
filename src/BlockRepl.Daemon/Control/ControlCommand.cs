namespace BlockRepl.Daemon.Control;

/// <summary>One command on one resource, its names already checked against the daemon's configuration.</summary>
/// <param name="Verb">What to do.</param>
/// <param name="Resource">The resource; null only for <see cref="ControlVerb.Adjust"/> of everything.</param>
/// <param name="Volume">One volume; null is each volume of the resource.</param>
/// <param name="Options">Options.</param>
public sealed record ControlCommand(ControlVerb Verb, string? Resource, string? Volume, ControlOptions Options);
