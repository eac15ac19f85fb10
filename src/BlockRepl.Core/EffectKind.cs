namespace BlockRepl.Core;

/// <summary>
/// What Core asks the edge to do. Effects of one <see cref="ResourceCore.Apply"/> are carried out in their order unless the kind
/// says that it may overlap others.
/// </summary>
public enum EffectKind : byte
{
    /// <summary>Never emitted.</summary>
    None,

    /// <summary>
    /// Do <see cref="Effect.Request"/> on the local disk and report <see cref="CoreEventKind.LocalChangeCompleted"/>. Core emits it only when
    /// the activity log covers it durably (I1) and nothing overlapping runs; so these may run in any order and overlap everything else.
    /// </summary>
    LocalChange,

    /// <summary>
    /// Append the change described by <see cref="Effect.Header"/>, <see cref="Effect.Sequence"/> and <see cref="Effect.Buffer"/> (the effect owns one
    /// reference) to the link's stream. The order of all Send effects of one link is the stream order: it must be kept.
    /// </summary>
    SendChange,

    /// <summary>Append <see cref="Effect.Message"/> to the link's stream, in order with the other Send effects of that link.</summary>
    SendMessage,

    /// <summary>Append the resync data in <see cref="Effect.Chunk"/> to the link's stream, in order; the effect owns one buffer reference, if there is a buffer.</summary>
    SendResyncData,

    /// <summary>
    /// Tell the peer what has arrived (<see cref="Effect.Sequence"/>) and what is applied (<see cref="Effect.Applied"/>). Later ones replace
    /// earlier ones, so the edge may merge them. Must not overtake a <see cref="SendMessage"/> emitted before it (a failed write is reported before the
    /// acknowledgement that passes it).
    /// </summary>
    SendAck,

    /// <summary>Tell the peer that everything of <see cref="Effect.Volume"/> up to <see cref="Effect.Sequence"/> is stable here.</summary>
    SendStable,

    /// <summary>
    /// Flush the local disk of <see cref="Effect.Volume"/> and report <see cref="CoreEventKind.LocalFlushCompleted"/> with the same ticket. May overlap writes;
    /// covers those whose completion was applied before this effect was emitted.
    /// </summary>
    LocalFlush,

    /// <summary>
    /// First make the bitmap ranges in <see cref="Effect.Metadata"/> durable, then its superblock, then its activity log, each if present, then report
    /// <see cref="CoreEventKind.MetadataWritten"/>. Metadata writes of one volume are carried out one after the other in the order emitted.
    /// </summary>
    WriteMetadata,

    /// <summary>Answer the client: <see cref="Effect.Cookie"/> with <see cref="Effect.Result"/>. Everything that the answer promises holds already.</summary>
    Reply,

    /// <summary>
    /// Read <see cref="Effect.Request"/>'s range for a resync and report <see cref="CoreEventKind.ResyncReadCompleted"/>. May wait until the link has room. Where the chunk
    /// <see cref="ResyncChunk.WantsHashes"/>, give hashes instead of data; with the origin <see cref="ChangeOrigin.ResyncCompare"/>, compare with those that it has.
    /// </summary>
    ResyncRead,

    /// <summary>
    /// Read the range of <see cref="Effect.Request"/>'s <see cref="VerifyChunk"/>, fill in its digests and report <see cref="CoreEventKind.VerifyReadCompleted"/>. Changes of the range wait for
    /// it, so it should not wait for anything but the disk.
    /// </summary>
    VerifyRead,

    /// <summary>
    /// Read <see cref="Effect.Request"/>'s range for a Primary without a disk of its own and report <see cref="CoreEventKind.PeerReadCompleted"/>. Core emits it when nothing that
    /// overlaps runs.
    /// </summary>
    PeerRead,

    /// <summary>
    /// Append the answer to a read, or to a request to serve, to the link's stream, in order with the other Send effects: <see cref="Effect.Chunk"/> with
    /// <see cref="Effect.Result"/>. The effect owns one buffer reference, if there is a buffer.
    /// </summary>
    SendReadReply,

    /// <summary>
    /// Answer a client's read: <see cref="Effect.Cookie"/> with <see cref="Effect.Result"/> and the data in <see cref="Effect.Second"/> at <see cref="Effect.BufferOffset"/>, of
    /// which the effect owns one reference; without a buffer the data are zeroes.
    /// </summary>
    ReadReply,

    /// <summary>Attach the volume's disk again, as <c>attach</c> does: its return was cut by the loss of the peer that serves, which is back.</summary>
    AttachDisk,

    /// <summary>Read for a client from the local disk after all: <see cref="Effect.Cookie"/>; from the disk with the number <see cref="Effect.Ticket"/> and no other.</summary>
    ReadLocally,

    /// <summary>
    /// From here on clients' reads may go straight to the local disk of <see cref="Effect.Volume"/>. <see cref="DetachDisk"/> ends that. Both take effect before the gate is
    /// left: a read that comes after an answer must not see an older disk (hard part 10).
    /// </summary>
    OpenReads,

    /// <summary>Try to reach the peer, or wait for it to dial, until <see cref="StopConnecting"/>.</summary>
    StartConnecting,

    /// <summary>Stop trying to reach the peer.</summary>
    StopConnecting,

    /// <summary>Close <see cref="Effect.Link"/> after what was sent on it before. <see cref="CoreEventKind.LinkDown"/> for it is not needed any more.</summary>
    CloseLink,

    /// <summary>
    /// Stop using the local disk of <see cref="Effect.Volume"/>: it failed, or was taken down. The superblock that is durable on it gets the flags of <see cref="Effect.Note"/> before it is closed, if there are any and
    /// the disk still takes that: <see cref="Format.SuperblockFlags.LostPower"/>, that what was not flushed may be missing; <see cref="Format.SuperblockFlags.Outdated"/>, that a Primary goes on without it. Never what
    /// Core meant to write next: a generation whose flush failed would make this disk the better copy.
    /// </summary>
    DetachDisk,

    /// <summary>
    /// Take up the disk's new size, in order with the volume's metadata writes: <see cref="Effect.Subject"/> is a <see cref="Core.GrowDisk"/>. Report <see cref="CoreEventKind.DiskGrown"/> with
    /// the same ticket, link and <see cref="Effect.Second"/>. What is served does not change by it.
    /// </summary>
    GrowDisk,

    /// <summary>An operator's command <see cref="Effect.Cookie"/> is over: <see cref="Effect.Command"/>.</summary>
    CompleteCommand,

    /// <summary>
    /// Run the operator's program for <see cref="Effect.Handler"/> and report <see cref="CoreEventKind.HandlerCompleted"/>, whatever becomes of it. Nothing waits for it but what Core itself holds back.
    /// </summary>
    RunHandler,

    /// <summary>Something that <c>status</c> and <c>events</c> show has changed.</summary>
    StateChanged,

    /// <summary>
    /// Copy the blocks of <see cref="Effect.Subject"/>, a <see cref="SaveRequest"/>, from the local disk into a save file, make that durable, name and all, and report
    /// <see cref="CoreEventKind.BlocksSaved"/>. May overlap everything: Core lets nothing change those blocks meanwhile.
    /// </summary>
    SaveBlocks,

    /// <summary>Something worth a line in the log: <see cref="Effect.Text"/>.</summary>
    Log,
}
