namespace BlockRepl.Cli.Checking;

/// <summary>One thing that is not as it should be.</summary>
/// <param name="Health">How bad it is.</param>
/// <param name="Text">What it is, with its resource, in words.</param>
public readonly record struct HealthFinding(Health Health, string Text);
