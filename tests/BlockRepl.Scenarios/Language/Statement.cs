namespace BlockRepl.Scenarios.Language;

/// <summary>One line of a script, taken apart.</summary>
/// <param name="Where"><c>file:line</c>, for messages.</param>
/// <param name="Text">The line without its comment.</param>
/// <param name="Verb">The first word.</param>
/// <param name="Words">The words after it, up to the outcome.</param>
/// <param name="Outcome">The words after <c>-></c>; empty if there are none.</param>
/// <param name="IsBegun">It stands behind <c>begin</c>: nothing may happen until the next statement that is not.</param>
/// <param name="Inner">The statements behind a colon.</param>
public sealed record Statement(
    string Where, string Text, string Verb, IReadOnlyList<string> Words, IReadOnlyList<string> Outcome, bool IsBegun, IReadOnlyList<Statement> Inner)
{
    /// <summary>Options among the words: those that begin with two hyphens.</summary>
    public IEnumerable<string> Options => Words.Where(static w => w.StartsWith("--", StringComparison.Ordinal));

    /// <summary>The words that are no options.</summary>
    public IReadOnlyList<string> Plain => [.. Words.Where(static w => !w.StartsWith("--", StringComparison.Ordinal))];

    /// <summary>The error that this statement is wrong, or was not fulfilled.</summary>
    public ScenarioException Wrong(string message) => new(Where, $"{Text}\n  {message}");
}
