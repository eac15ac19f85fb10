using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>One thing to do; which fields count depends on <see cref="Kind"/> (see <see cref="EffectKind"/>). Valid until carried out.</summary>
public struct Effect
{
    /// <summary>What to do.</summary>
    public EffectKind Kind { get; set; }

    /// <summary>The volume concerned.</summary>
    public VolumeNr Volume { get; set; }

    /// <summary>The peer concerned.</summary>
    public PeerId Peer { get; set; }

    /// <summary>The link concerned; an effect for a link that is gone is dropped.</summary>
    public LinkId Link { get; set; }

    /// <summary>Stream position, or for an acknowledgement what has been received.</summary>
    public SequenceNumber Sequence { get; set; }

    /// <summary>For an acknowledgement: what has been applied.</summary>
    public SequenceNumber Applied { get; set; }

    /// <summary>Ticket to hand back with the completion.</summary>
    public ulong Ticket { get; set; }

    /// <summary>Of a flush: nobody waits for it, so it should hold nobody up.</summary>
    public bool IsBackground { get; set; }

    /// <summary>Of a detached disk: flags that its durable superblock is to get before it is closed, if it still takes that.</summary>
    public SuperblockFlags Note { get; set; }

    /// <summary>Header of a change to send.</summary>
    public ChangeHeader Header { get; set; }

    /// <summary>Where the data of a change to send begins in its buffer.</summary>
    public int BufferOffset { get; set; }

    /// <summary>Result of a reply.</summary>
    public DiskResult Result { get; set; }

    /// <summary>Request, buffer, message, chunk, metadata write, cookie or text.</summary>
    public object? Subject { get; set; }

    /// <summary>Second object where one is not enough.</summary>
    public object? Second { get; set; }

    /// <summary>The change to carry out or the read to make.</summary>
    public readonly ChangeRequest Request => (ChangeRequest)Subject!;

    /// <summary>Data of a change to send, one reference; null if it has none.</summary>
    public readonly BlockBuffer? Buffer => (BlockBuffer?)Subject;

    /// <summary>The message to send.</summary>
    public readonly PeerMessage Message => (PeerMessage)Subject!;

    /// <summary>The resync data to send.</summary>
    public readonly ResyncChunk Chunk => (ResyncChunk)Subject!;

    /// <summary>The metadata to write.</summary>
    public readonly MetadataWrite Metadata => (MetadataWrite)Subject!;

    /// <summary>The asker's object.</summary>
    public readonly object? Cookie => Subject;

    /// <summary>The answer to a command.</summary>
    public readonly CommandResult Command => (CommandResult)Second!;

    /// <summary>The handler to call.</summary>
    public readonly HandlerCall Handler => (HandlerCall)Subject!;

    /// <summary>Data of an answered read; null for zeroes, or without success.</summary>
    public readonly BlockBuffer? ReadData => (BlockBuffer?)Second;

    /// <summary>A line for the log.</summary>
    public readonly string Text => (string)Subject!;
}
