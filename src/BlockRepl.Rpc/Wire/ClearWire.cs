namespace BlockRepl.Rpc.Wire;

/// <summary>Clear text: what is queued goes from its buffers to the kernel in one call.</summary>
internal sealed unsafe class ClearWire(PeerSocket socket) : IWire
{
    private const int VectorsMax = 64;

    /// <inheritdoc/>
    public long HeldBytes => 0;

    /// <inheritdoc/>
    public int Receive(Span<byte> first, Span<byte> second) => socket.Receive(first, second);

    /// <inheritdoc/>
    public void Flush(SegmentQueue queue)
    {
        Span<LibC.IoVec> vectors = stackalloc LibC.IoVec[VectorsMax];
        while (queue.Count > 0)
        {
            int count = Math.Min(queue.Count, VectorsMax);
            for (int i = 0; i < count; i++)
            {
                ref readonly OutSegment segment = ref queue[i];
                vectors[i] = new LibC.IoVec { Base = segment.Buffer.Pointer + segment.Offset, Length = (nuint)segment.Length };
            }

            int sent = socket.TrySend(vectors[..count]);
            if (sent < 0)
                return;
            queue.Consume(sent);
        }
    }

    /// <inheritdoc/>
    public void Release()
    {
    }
}
