using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Nbd;

/// <summary>A request with what its reply needs; pooled by one <see cref="NbdReplyQueue"/>, whose gate protects it.</summary>
internal sealed unsafe class NbdPendingRequest(byte* head) : NbdRequest
{
    /// <summary>Pinned room for the head of the reply.</summary>
    public byte* Head { get; } = head;

    /// <summary>Bytes of the head, once encoded.</summary>
    public int HeadBytes { get; set; }

    /// <summary>Data that follows the head; one reference.</summary>
    public BlockBuffer? Data { get; set; }

    /// <summary>Bytes of it.</summary>
    public int DataBytes { get; set; }

    /// <summary>Bytes of the connection's budget that it holds.</summary>
    public long PermitBytes { get; set; }

    /// <summary>Between TryBegin and Complete.</summary>
    public bool IsOpen { get; set; }
}
