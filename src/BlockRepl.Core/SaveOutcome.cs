namespace BlockRepl.Core;

/// <summary>How a save ended: <see cref="CoreEvent.Subject"/> of <see cref="CoreEventKind.BlocksSaved"/>.</summary>
/// <param name="Request">The request that it answers.</param>
/// <param name="File">The save file's path; empty if there is none.</param>
/// <param name="Error">Why there is none, in words; empty if all went well.</param>
public sealed record SaveOutcome(SaveRequest Request, string File, string Error);
