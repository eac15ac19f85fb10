namespace BlockRepl.Sim;

/// <summary>One established connection: frames as bytes, in order each way.</summary>
public sealed class SimulatedLink(LinkId id)
{
    /// <summary>Its name; the same on both ends.</summary>
    public LinkId Id { get; } = id;

    /// <summary>Frames on the way, by the index of the receiving node.</summary>
    public Queue<byte[]>[] To { get; } = [new(), new()];

    /// <summary>A node that closed its end, or was told of the link's end, by index.</summary>
    public bool[] IsClosed { get; } = new bool[2];

    /// <summary>Holds what passes against the version that the two Hellos agreed on (G15).</summary>
    public LinkVersions Versions { get; } = new();

    /// <summary>The network lost the connection: nothing passes any more.</summary>
    public bool IsCut { get; set; }
}
