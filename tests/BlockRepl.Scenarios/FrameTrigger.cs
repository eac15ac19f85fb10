using BlockRepl.Protocol;
using BlockRepl.Scenarios.Language;

namespace BlockRepl.Scenarios;

/// <summary>Statements that are carried out when a frame of one kind is about to be delivered, or just was.</summary>
/// <param name="To">Index of the receiving node.</param>
/// <param name="Kind">The kind of frame.</param>
/// <param name="IsBefore">Before the delivery; else after it.</param>
/// <param name="Statements">What to do.</param>
public sealed record FrameTrigger(int To, FrameKind Kind, bool IsBefore, IReadOnlyList<Statement> Statements)
{
    /// <summary>Frames of the kind to let pass first.</summary>
    public int Skip { get; set; }
}
