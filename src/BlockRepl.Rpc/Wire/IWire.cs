namespace BlockRepl.Rpc.Wire;

/// <summary>
/// How bytes get to the peer and back: in clear text or through TLS. Reads come from one thread; everything else is called with
/// the channel's gate held, and never blocks.
/// </summary>
internal interface IWire
{
    /// <summary>Bytes taken from a queue by <see cref="Flush"/> that the kernel has not taken yet.</summary>
    long HeldBytes { get; }

    /// <summary>Blocks until there are bytes, fills the first span and perhaps the second. Zero: the peer's end is closed.</summary>
    int Receive(Span<byte> first, Span<byte> second);

    /// <summary>Sends from the front of the queue as much as goes.</summary>
    void Flush(SegmentQueue queue);

    /// <summary>Gives buffers back; nothing is called after it.</summary>
    void Release();
}
