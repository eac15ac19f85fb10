namespace BlockRepl.Sim.Run;

/// <summary>
/// That a client has read a write in one block. In this life of the image no older one may be read there after that. Of a write of several blocks each may be there without the others when the write was in flight or
/// lost its power: what was seen of one says nothing of the next.
/// </summary>
internal sealed class Sighting
{
    /// <summary>The life of the image; -1 if it was never read.</summary>
    public int Epoch { get; private set; } = -1;

    /// <summary>When the first read of that life was answered.</summary>
    public long At { get; private set; } = long.MaxValue;

    /// <summary>It was read.</summary>
    public void Note(int epoch, long now)
    {
        if (Epoch == epoch)
            return;
        Epoch = epoch;
        At = now;
    }
}
