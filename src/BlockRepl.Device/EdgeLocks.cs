namespace BlockRepl.Device;

/// <summary>
/// Excludes writes from each other that share a sector without sharing a byte: each has to write the other's bytes back, and must not do so with what they were before. Only writes with an edge
/// inside a sector come here: one that covers a whole sector shares it with nobody whose bytes it does not overlap, and overlapping writes are the caller's to serialise.
/// </summary>
internal sealed class EdgeLocks
{
    // Two unrelated sectors that fall on the same lock wait for each other, which is harmless. A power of two.
    private const int Stripes = 64;

    private readonly Lock[] _locks = [.. Enumerable.Range(0, Stripes).Select(_ => new Lock())];

    /// <summary>Enters the locks of up to two sectors, given by number, -1 for none. Waits for whoever is inside.</summary>
    public void Enter(long head, long tail)
    {
        // Always the lower stripe first, so that two writes with two edges each never wait for each other in a circle.
        (int first, int second) = StripesOf(head, tail);
        if (first >= 0)
            _locks[first].Enter();
        if (second >= 0)
            _locks[second].Enter();
    }

    /// <summary>Leaves what <see cref="Enter"/> entered.</summary>
    public void Exit(long head, long tail)
    {
        (int first, int second) = StripesOf(head, tail);
        if (second >= 0)
            _locks[second].Exit();
        if (first >= 0)
            _locks[first].Exit();
    }

    private static (int First, int Second) StripesOf(long head, long tail)
    {
        int one = head < 0 ? -1 : (int)(head & (Stripes - 1));
        int other = tail < 0 ? -1 : (int)(tail & (Stripes - 1));
        if (one == other || other < 0)
            return (one, -1);
        return one < 0 ? (other, -1) : (Math.Min(one, other), Math.Max(one, other));
    }
}
