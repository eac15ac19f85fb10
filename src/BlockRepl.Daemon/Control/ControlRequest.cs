namespace BlockRepl.Daemon.Control;

/// <summary>Body of <c>POST /v1/commands</c>.</summary>
/// <param name="Verb">What to do.</param>
/// <param name="Target"><c>RESOURCE</c>, <c>RESOURCE/VOLUME</c> or <c>all</c>.</param>
/// <param name="Options">Options; null is none.</param>
public sealed record ControlRequest(ControlVerb Verb, string Target, ControlOptions? Options = null);
