namespace BlockRepl.Core;

/// <summary>Programs of the operator's that a resource calls on an event; DRBD's names and occasions (drbd.conf "handlers"). docs/handlers.md says when and what each exit code means.</summary>
public enum HandlerKind : byte
{
    /// <summary>Make sure that the peer does not go on: outdate or shoot it.</summary>
    FencePeer,

    /// <summary>The peer that was fenced is UpToDate again: take the fence away.</summary>
    UnfencePeer,

    /// <summary>A split brain was found, resolved by itself or not.</summary>
    InitialSplitBrain,

    /// <summary>A split brain was found and needs a person.</summary>
    SplitBrain,

    /// <summary>A verify found blocks that differ.</summary>
    OutOfSync,

    /// <summary>A local disk failed.</summary>
    LocalIoError,

    /// <summary>This Primary's data is the older: it would have to be overwritten.</summary>
    PriLost,

    /// <summary>This Primary lost the automatic recovery from a split brain.</summary>
    PriLostAfterSb,

    /// <summary>This Primary has no good data left, here or at a peer.</summary>
    PriOnInconDegr,

    /// <summary>This node is about to be overwritten by a resync; any exit code but 0 prevents it.</summary>
    BeforeResyncTarget,

    /// <summary>A resync with this node as its target is over.</summary>
    AfterResyncTarget,

    /// <summary>This node is about to be the source of a resync.</summary>
    BeforeResyncSource,

    /// <summary>A connection was lost.</summary>
    Disconnected,
}
