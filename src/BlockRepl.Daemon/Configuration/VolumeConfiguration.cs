using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Configuration;

/// <summary>One volume of a resource.</summary>
public sealed record VolumeConfiguration
{
    /// <summary>Name within the resource.</summary>
    public required string Name { get; init; }

    /// <summary>Place within the resource, from 0; the same on every node because the order of the file is.</summary>
    public required VolumeNr Nr { get; init; }

    /// <summary>Absolute path of the disk: a block device, a link to one, or a regular file.</summary>
    public required PerNode<string> Disk { get; init; }

    /// <summary>How the disk is read and written, and metadata that lie on it.</summary>
    public PerNode<DeviceIo> Io { get; init; } = new(DeviceIo.Buffered);

    /// <summary>Absolute path of external metadata; null is <c>internal</c>.</summary>
    public required PerNode<string?> MetaDisk { get; init; }

    /// <summary>Bytes of a regular file that has yet to be created; null when not configured.</summary>
    public PerNode<long>? Size { get; init; }

    /// <summary>The volume, as RESOURCE/VOLUME, whose resync goes first; null if this one waits for none.</summary>
    public string? ResyncAfter { get; init; }

    /// <summary>Where the volume stands in the file.</summary>
    public SourcePosition Source { get; init; }
}
