namespace BlockRepl.Scenarios.Language;

/// <summary>A script is wrong, or what it expects did not happen. The message begins with <c>file:line:</c>.</summary>
public sealed class ScenarioException(string where, string message) : Exception($"{where}: {message}")
{
    /// <summary>What is wrong, without the place.</summary>
    public string Reason { get; } = message;
}
