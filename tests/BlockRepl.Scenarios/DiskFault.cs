using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>A disk that fails or hangs for one kind of operation.</summary>
/// <param name="Node">Index of the node.</param>
/// <param name="Volume">The volume; null for all.</param>
/// <param name="Word">write, read, flush, metadata or discard.</param>
/// <param name="Result">The error; null if the operation never ends.</param>
/// <param name="IsOnce">Only the next operation.</param>
public sealed record DiskFault(int Node, int? Volume, string Word, DiskResult? Result, bool IsOnce)
{
    /// <summary>The words for kinds of operations.</summary>
    public static readonly string[] Words = ["write", "read", "flush", "metadata", "discard"];

    /// <summary>The operation is of the kind.</summary>
    public bool Hits(SimulatedNode node, PendingOperation operation) =>
        node.Index == Node && (Volume is null || Volume == operation.Volume.Value) && Word == WordFor(operation);

    private static string WordFor(PendingOperation operation) => operation.Kind switch
    {
        EffectKind.LocalChange when operation.Request.Kind is ChangeKind.Trim or ChangeKind.Zeroes => "discard",
        EffectKind.LocalChange => "write",
        EffectKind.LocalFlush => "flush",
        EffectKind.WriteMetadata => "metadata",
        _ => "read",
    };
}
