using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>An operator's command.</summary>
/// <param name="Verb">What to do.</param>
public sealed record OperatorCommand(OperatorVerb Verb)
{
    /// <summary>The peer, for connect and disconnect; null for all.</summary>
    public PeerId? Peer { get; init; }

    /// <summary>The volume, where the verb may name one; null for all.</summary>
    public VolumeNr? Volume { get; init; }

    /// <summary>For a promotion: also on data that is not UpToDate.</summary>
    public bool Force { get; init; }

    /// <summary>For verify: what to compare and what to do about it.</summary>
    public VerifyOptions Verify { get; init; } = new();

    /// <summary>For a resize: the size to serve; 0 is all that the disks hold.</summary>
    public long SizeBytes { get; init; }

    /// <summary>For a resize: what is new is the same on both nodes, whatever it is.</summary>
    public bool AssumeEqual { get; init; }

    /// <summary>For connect: this node is the victim of a split brain.</summary>
    public bool DiscardMyData { get; init; }
}
