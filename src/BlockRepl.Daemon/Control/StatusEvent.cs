namespace BlockRepl.Daemon.Control;

/// <summary>One change, or one object of the dump that precedes the changes. Immutable.</summary>
/// <param name="Kind"><c>exists</c>, <c>create</c>, <c>change</c>, <c>destroy</c>, or <c>cut</c> as the last word to a slow subscriber.</param>
/// <param name="ObjectType"><c>resource</c>, <c>connection</c>, <c>device</c>, <c>peer-device</c>; <c>-</c> after the dump.</param>
/// <param name="Resource">The resource it is about; empty for none.</param>
/// <param name="Fields">Identity first, then state; a change has only the state that changed.</param>
public sealed record StatusEvent(string Kind, string ObjectType, string Resource, IReadOnlyList<StatusField> Fields)
{
    /// <summary>Ends the dump.</summary>
    public static StatusEvent EndOfDump { get; } = new("exists", "-", "", []);
}
