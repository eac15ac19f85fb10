using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;

namespace BlockRepl.Daemon.Adjust;

/// <summary>Looks at the disk of a volume that is to be added, before anything is touched.</summary>
internal static class DiskLook
{
    /// <summary>What a disk is like.</summary>
    /// <param name="IsFresh">Its metadata has never known any data.</param>
    /// <param name="Refusal">Why it could not be attached; null if it could.</param>
    public sealed record Found(bool IsFresh, ControlResult? Refusal);

    /// <summary>Opens the disk, reads its superblock, and closes it again.</summary>
    public static Found At(ResourceSettings settings, VolumeConfiguration volume, string node)
    {
        string name = $"{settings.Name}/{volume.Name}";
        DeviceOpenResult disk = DeviceFactory.Open(volume.Disk.For(node), io: volume.Io.For(node));
        using IBlockDevice? data = disk.Device;
        if (data is null)
        {
            string hint = disk.Error == DeviceOpenError.NoDirectIo ? "say io: buffered, or give it a disk that can" : $"create it: blockrepl create-md {name}";
            return new Found(false, ControlResult.Refused($"{name}: {disk.Message}", hint));
        }

        DeviceOpenResult? meta = volume.MetaDisk.For(node) is { } path ? DeviceFactory.Open(path) : null;
        using IBlockDevice? metadata = meta?.Device;
        if (meta is not null && metadata is null)
            return new Found(false, ControlResult.Refused($"{name}: {meta?.Message}", $"create it: blockrepl create-md {name}"));
        MetadataOpenResult opened = VolumeMetadataStore.Open(data, metadata, new VolumeIdentity(settings.Name, volume.Name, node));
        return opened.Loaded is { } loaded
            ? new Found(!loaded.Superblock.Current.IsReal, null)
            : new Found(false, ControlResult.Refused($"{name}: {opened.Result.Message}", $"create it: blockrepl create-md {name}"));
    }
}
