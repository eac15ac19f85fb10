namespace BlockRepl.Protocol;

/// <summary>
/// A frame as an object. Immutable. Frames of the data path have readers and writers of their own that allocate nothing
/// (<see cref="ChangesFrameReader"/>, <see cref="AckFrameReader"/>, <see cref="ResyncDataFrameReader"/>).
/// </summary>
public abstract record PeerMessage
{
    private protected PeerMessage()
    {
    }

    /// <summary>The kind of frame that carries it.</summary>
    public abstract FrameKind Kind { get; }
}
