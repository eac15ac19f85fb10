namespace BlockRepl.Core;

/// <summary>What happened. Each kind says which fields of <see cref="CoreEvent"/> count.</summary>
public enum CoreEventKind : byte
{
    /// <summary>Time passed; per peer <see cref="CoreEvent.Peer"/> and <see cref="CoreEvent.Number"/> = monotonic ms when it was last heard.</summary>
    Tick,

    /// <summary>A disk's metadata was read: <see cref="CoreEvent.Subject"/> is an <see cref="AttachedDisk"/>; Number = the disk's number.</summary>
    DiskAttached,

    /// <summary>
    /// A client of this Primary asks for a change: Volume, Header, Subject = <see cref="Primitives.BlockBuffer"/> or null, Offset = where the data begins in it, Second = the cookie for the reply.
    /// </summary>
    ClientChange,

    /// <summary>A <see cref="EffectKind.LocalChange"/> is over: Subject = the request, Result.</summary>
    LocalChangeCompleted,

    /// <summary>A <see cref="EffectKind.LocalFlush"/> is over: Volume, Number = its ticket, Result.</summary>
    LocalFlushCompleted,

    /// <summary>A <see cref="EffectKind.WriteMetadata"/> is over: Subject = the write, Result.</summary>
    MetadataWritten,

    /// <summary>A <see cref="EffectKind.ResyncRead"/> is over: Subject = the request, whose chunk holds the data; Result.</summary>
    ResyncReadCompleted,

    /// <summary>A <see cref="EffectKind.VerifyRead"/> is over: Volume, Subject = the request, Result.</summary>
    VerifyReadCompleted,

    /// <summary>A <see cref="EffectKind.PeerRead"/> is over: Subject = the request, whose chunk holds the data; Result.</summary>
    PeerReadCompleted,

    /// <summary>
    /// A client of this Primary reads, and the local disk is closed to reads or has failed to read: Volume, Header = the range, Result = how the local disk failed or Ok, Number = that
    /// disk's number, Second = the cookie for the answer.
    /// </summary>
    ClientRead,

    /// <summary>The peer answered a read or a request to serve: Peer, Link, Number = its id, Result, Header.Length, Subject = buffer or null for zeroes, Offset.</summary>
    ReadReplied,

    /// <summary>A stream to Peer is established: Link.</summary>
    LinkUp,

    /// <summary>A stream ended: Peer, Link, State = why, Subject = detail in words.</summary>
    LinkDown,

    /// <summary>A message came: Peer, Link, Subject.</summary>
    PeerMessage,

    /// <summary>A change of the Primary's stream came: Peer, Link, Sequence, Header, Subject = buffer or null, Offset.</summary>
    PeerChange,

    /// <summary>The peer acknowledged: Peer, Link, Sequence = received, Applied.</summary>
    PeerAck,

    /// <summary>The peer has a volume on stable storage up to Sequence: Peer, Link, Volume in the peer's numbering.</summary>
    PeerStable,

    /// <summary>Resync data came: Peer, Link, Header (its kind tells data from zeroes; Volume in the peer's numbering), Subject = buffer or null, Offset.</summary>
    ResyncData,

    /// <summary>The local disk cannot be used any more: Volume, Number = the disk's number, Subject = why. Of an earlier disk it means nothing.</summary>
    DiskFailed,

    /// <summary>A disk that Core gave up is closed: Volume, Number = the disk's number. Nothing of it can complete any more.</summary>
    DiskClosed,

    /// <summary>A <see cref="EffectKind.RunHandler"/> is over: Subject = <see cref="HandlerOutcome"/>.</summary>
    HandlerCompleted,

    /// <summary>A <see cref="EffectKind.SaveBlocks"/> is over: Volume, Subject = <see cref="SaveOutcome"/>.</summary>
    BlocksSaved,

    /// <summary>An operator's command: Subject = <see cref="OperatorCommand"/>, Second = the cookie for <see cref="EffectKind.CompleteCommand"/>.</summary>
    Command,

    /// <summary>The configuration was changed: Subject = <see cref="ResourceSettings"/> with the same name, node and peers.</summary>
    SettingsChanged,

    /// <summary>
    /// A volume of this node that another one is resynced after begins to be resynced, or is done: <see cref="CoreEvent.Number"/> is 1 while the other must wait.
    /// </summary>
    ResyncTurn,

    /// <summary>The configuration has a volume more: Subject = its name. It has the next number, and no disk yet.</summary>
    VolumeAdded,

    /// <summary>A <see cref="EffectKind.GrowDisk"/> is over: Volume, Number = its ticket, Link, Subject = <see cref="GrownDisk"/>, Second = the effect's second object.</summary>
    DiskGrown,
}
