namespace BlockRepl.Primitives;

/// <summary>Who rented a buffer; leaks are reported by this name.</summary>
public enum BufferPurpose : byte
{
    /// <summary>Payload of an NBD write on its way to disk and peer.</summary>
    NbdWrite,

    /// <summary>Data of an NBD read on its way to the client.</summary>
    NbdRead,

    /// <summary>A message received from a peer.</summary>
    PeerReceive,

    /// <summary>Bytes waiting to be sent to a peer.</summary>
    PeerSend,

    /// <summary>Data read for a resync.</summary>
    Resync,

    /// <summary>Metadata blocks.</summary>
    Metadata,

    /// <summary>An aligned copy of what direct I/O cannot read or write in place.</summary>
    DirectIo,

    /// <summary>Anything in a test.</summary>
    Test,
}
