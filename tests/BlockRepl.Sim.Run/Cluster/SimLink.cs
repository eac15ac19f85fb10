using BlockRepl.Core;

namespace BlockRepl.Sim.Run;

/// <summary>
/// One connection. Frames arrive in order, each after a delay. It may end at any frame (a frame that was cut in the middle is never seen by the protocol: the stream's own framing holds it back), at once for both
/// nodes, for one long before the other, or in silence. One direction may stand still while the other flows. A bit of a frame may flip.
/// </summary>
internal sealed class SimLink
{
    public SimLink(Simulation simulation, LinkId id)
    {
        Id = id;
        Ends = [new SimLinkEnd(simulation, this, 0), new SimLinkEnd(simulation, this, 1)];
    }

    /// <summary>Its name; the same on both ends.</summary>
    public LinkId Id { get; }

    /// <summary>The ends, by node.</summary>
    public SimLinkEnd[] Ends { get; }

    /// <summary>Nothing is on its way, in anybody's eyes.</summary>
    public bool IsIdle => Ends[0].IsIdle && Ends[1].IsIdle && (!HasLost || (Ends[0].IsOver && Ends[1].IsOver));

    /// <summary>It is dead and something was sent since, which neither end knows to be lost: in their eyes it is still on its way.</summary>
    public bool HasLost { get; set; }

    /// <summary>Nothing passes any more, and nobody is told.</summary>
    public bool IsDead { get; set; }
}
