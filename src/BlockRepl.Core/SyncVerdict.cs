namespace BlockRepl.Core;

/// <summary>A comparison's result and the rule that gave it.</summary>
/// <param name="Result">What is to be done.</param>
/// <param name="Rule">DRBD's rule number (research section 1.3), for logs and for the cross-check with the peer.</param>
/// <param name="Reason">The rule in words.</param>
public readonly record struct SyncVerdict(SyncResult Result, int Rule, string Reason)
{
    /// <summary>The resync throws away what one side did in a split brain: the target saves that first (docs/save-file-format.md).</summary>
    public bool ResolvesSplitBrain { get; init; }

    /// <summary>The Primary that the policies name as the one that has lost a split brain, and whose data stay all the same; null for none.</summary>
    public string? PrimaryLost { get; init; }

    /// <summary>What the peer must have come to.</summary>
    public SyncResult Mirrored => Result is SyncResult.SplitBrain or SyncResult.Unrelated or SyncResult.Impossible
        ? Result
        : (SyncResult)(-(sbyte)Result);

    /// <summary>Whether this node would be the source.</summary>
    public bool IsSource => Result is SyncResult.SourceBitmap or SyncResult.SourceFull;

    /// <summary>Whether this node would be the target.</summary>
    public bool IsTarget => Result is SyncResult.TargetBitmap or SyncResult.TargetFull;

    /// <summary>Whether every block is to be copied.</summary>
    public bool IsFull => Result is SyncResult.SourceFull or SyncResult.TargetFull;
}
