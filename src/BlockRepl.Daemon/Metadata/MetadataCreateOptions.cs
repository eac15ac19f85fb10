using System.Collections.Immutable;
using BlockRepl.Format;

namespace BlockRepl.Daemon.Metadata;

/// <summary>What <c>create-md</c> writes.</summary>
public sealed record MetadataCreateOptions
{
    /// <summary>Whose metadata it will be.</summary>
    public required VolumeIdentity Identity { get; init; }

    /// <summary>Random, from the caller: ties activity log and bitmaps to this superblock.</summary>
    public required ulong DeviceId { get; init; }

    /// <summary>Configured peers, which get the first slots.</summary>
    public required ImmutableArray<string> PeerNames { get; init; }

    /// <summary>Room for peers: how many slots, fixed for the metadata's life.</summary>
    public int PeerSlots { get; init; } = 1;

    /// <summary>Places in the activity log.</summary>
    public int ActivityLogExtents { get; init; } = Superblock.DefaultActivityLogExtents;

    /// <summary>Overwrite metadata or data that stands in the way.</summary>
    public bool Force { get; init; }
}
