using System.Collections.Immutable;
using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>Opens a volume's disk and reads its metadata, and says in an operator's words what hinders it.</summary>
internal static class DiskOpener
{
    /// <summary>What came of it: the disk and what was found on it, or a refusal.</summary>
    /// <param name="Disk">The open disk.</param>
    /// <param name="Attached">What Core needs to know of it.</param>
    /// <param name="Warnings">Damage that was made good.</param>
    /// <param name="Refusal">Why not; null on success.</param>
    /// <param name="IsBusy">Somebody else uses the disk (hard part 15).</param>
    public sealed record Opened(
        VolumeDisk? Disk, AttachedDisk? Attached, ImmutableArray<string> Warnings, ControlResult? Refusal, bool IsBusy);

    /// <summary>Opens the volume's disk. May wait for it, like any call; <paramref name="watch"/> and <paramref name="metadataWatch"/> say in which it is.</summary>
    public static Opened Open(RuntimeVolume volume, ResourceSettings settings, DaemonContext context, DiskWatch watch, DiskWatch? metadataWatch)
    {
        string path = watch.Path;
        DeviceIo io = volume.Configuration.Io.For(settings.NodeName);
        DeviceOpenResult disk = Open(watch, io, context.DeviceFilter);
        if (disk.Device is null)
            return Refused(volume, disk);
        IBlockDevice? metadataDevice = null;
        if (metadataWatch is not null)
        {
            // A file of its own, for small writes that are forced anyway: always through the page cache.
            DeviceOpenResult opened = Open(metadataWatch, DeviceIo.Buffered, context.DeviceFilter);
            if (opened.Device is null)
            {
                disk.Device.Dispose();
                return Refused(volume, opened);
            }

            metadataDevice = opened.Device;
        }

        var identity = new VolumeIdentity(settings.Name, volume.Configuration.Name, settings.NodeName);
        MetadataOpenResult metadata = VolumeMetadataStore.Open(disk.Device, metadataDevice, identity);
        if (metadata.Store is null || metadata.Loaded is null)
        {
            disk.Device.Dispose();
            metadataDevice?.Dispose();
            string hint = metadata.Result.Error == MetadataError.NoMetadata
                ? $"create it: blockrepl create-md {volume.Name}"
                : metadata.Result.Hint;
            return new Opened(null, null, [], ControlResult.Refused($"{volume.Name}: {path}: {metadata.Result.Message}", hint), false);
        }

        if (FindMissingSlot(metadata.Loaded.Superblock, settings) is { } missing)
        {
            disk.Device.Dispose();
            metadataDevice?.Dispose();
            return new Opened(null, null, [], ControlResult.Refused(
                $"{volume.Name}: the metadata on {path} has no room for the peer {missing}",
                $"it was made for other nodes; make it anew: blockrepl create-md --force {volume.Name}"), false);
        }

        if (metadata.Loaded.UnfinishedMove is { } from && MetadataGrowth.Finish(disk.Device, metadata.Store, from) is { IsOk: false } failed)
        {
            disk.Device.Dispose();
            return new Opened(null, null, [], ControlResult.Failed($"{volume.Name}: {path}: moving its metadata could not be finished: {failed}", "see the kernel log for the disk's error"), false);
        }

        return new Opened(
            new VolumeDisk(disk.Device, metadataDevice, metadata.Store) { Io = io, Watches = metadataWatch is null ? [watch] : [watch, metadataWatch] },
            Attach(metadata.Store, metadata.Loaded, context.ReadBootId()), metadata.Loaded.Warnings, null, false);
    }

    private static DeviceOpenResult Open(DiskWatch watch, DeviceIo io, Func<string, IBlockDevice, IBlockDevice> filter)
    {
        int call = watch.Begin("the opening", 0, 0);
        DeviceOpenResult opened = DeviceFactory.Open(watch.Path, io: io);
        watch.End(call);
        return opened.Device is null ? opened : opened with { Device = new WatchedDevice(filter(watch.Path, opened.Device), watch) };
    }

    /// <summary>This boot's id; empty where the kernel does not tell.</summary>
    public static Guid ReadBootId()
    {
        try
        {
            return Guid.TryParse(File.ReadAllText("/proc/sys/kernel/random/boot_id"), out Guid id) ? id : Guid.Empty;
        }
        catch (IOException)
        {
            return Guid.Empty;
        }
    }

    private static AttachedDisk Attach(VolumeMetadataStore store, LoadedMetadata loaded, Guid bootId)
    {
        var bitmaps = ImmutableArray.CreateBuilder<DirtyBitmap>(loaded.Bitmaps.Length);
        foreach (DirtyBitmap? bitmap in loaded.Bitmaps)
            bitmaps.Add(bitmap ?? new DirtyBitmap(store.Layout.DataBlocks));
        return new AttachedDisk(
            loaded.Superblock, loaded.ActiveExtents, loaded.ActivityLogTransaction, bitmaps.MoveToImmutable(), store.Layout.DataBytes, bootId);
    }

    private static string? FindMissingSlot(Superblock superblock, ResourceSettings settings)
    {
        int free = 0;
        foreach (PeerSlot slot in superblock.Peers)
            free += slot.IsFree ? 1 : 0;
        foreach (string peer in settings.Peers)
        {
            if (superblock.FindPeer(peer) < 0 && --free < 0)
                return peer;
        }

        return null;
    }

    private static Opened Refused(RuntimeVolume volume, DeviceOpenResult result) => new(
        null,
        null,
        [],
        result.Error switch
        {
            DeviceOpenError.Busy => ControlResult.Refused($"{volume.Name}: {result.Message}", "stop the other user of the disk first"),
            DeviceOpenError.NoDirectIo => ControlResult.Failed($"{volume.Name}: {result.Message}", "say io: buffered in the configuration, then: blockrepl adjust; or give it a disk that can"),
            _ => ControlResult.Failed($"{volume.Name}: {result.Message}", $"correct \"disk\" in the configuration, or create it: blockrepl create-md {volume.Name}"),
        },
        result.Error == DeviceOpenError.Busy);
}
