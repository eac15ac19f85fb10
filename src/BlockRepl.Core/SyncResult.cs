namespace BlockRepl.Core;

/// <summary>Outcome of comparing two nodes' generations of one volume, seen from this node. The peer's outcome is its mirror.</summary>
public enum SyncResult : sbyte
{
    /// <summary>Nothing to do.</summary>
    None = 0,

    /// <summary>This node is source of a resync of the marked blocks.</summary>
    SourceBitmap = 1,

    /// <summary>This node is target of a resync of the marked blocks.</summary>
    TargetBitmap = -1,

    /// <summary>This node is source of a resync of every block.</summary>
    SourceFull = 2,

    /// <summary>This node is target of a resync of every block.</summary>
    TargetFull = -2,

    /// <summary>Both sides changed data since they were last in sync.</summary>
    SplitBrain = 100,

    /// <summary>The two have no generation in common.</summary>
    Unrelated = 101,

    /// <summary>The direction that the data demands is impossible now: the would-be target is Primary, or the would-be source has no good data.</summary>
    Impossible = 102,
}
