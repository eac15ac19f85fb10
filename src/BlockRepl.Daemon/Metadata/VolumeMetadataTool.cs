using BlockRepl.Daemon.Control;
using BlockRepl.Device;
using BlockRepl.Format;

namespace BlockRepl.Daemon.Metadata;

/// <summary>Creates and wipes a volume's metadata on real disks, without a daemon.</summary>
public sealed class VolumeMetadataTool(Func<ulong> drawDeviceId) : IVolumeMetadataTool
{
    /// <inheritdoc/>
    public ControlResult Create(VolumePlace place, bool force)
    {
        return WithDisks(place, createMetaDisk: true, (disk, metaDisk) => VolumeMetadataStore.Create(disk, metaDisk, new MetadataCreateOptions
        {
            Identity = new VolumeIdentity(place.Resource, place.Volume, place.Node),
            DeviceId = drawDeviceId(),
            PeerNames = [.. place.Peers],
            PeerSlots = Math.Max(1, place.Peers.Count),
            ActivityLogExtents = place.ActivityLogExtents,
            Force = force,
        }));
    }

    /// <inheritdoc/>
    public ControlResult Upgrade(VolumePlace place) => WithDisks(
        place, createMetaDisk: false, (disk, metaDisk) => VolumeMetadataStore.Upgrade(disk, metaDisk, new VolumeIdentity(place.Resource, place.Volume, place.Node)));

    /// <inheritdoc/>
    public ControlResult Wipe(VolumePlace place) => WithDisks(place, createMetaDisk: false, VolumeMetadataStore.Wipe);

    private static ControlResult WithDisks(
        VolumePlace place, bool createMetaDisk, Func<IBlockDevice, IBlockDevice?, MetadataResult> work)
    {
        DeviceOpenResult disk = DeviceFactory.Open(place.Disk);
        if (disk.Device is null)
            return Refuse(place, disk.Error, disk.Message);
        using IBlockDevice data = disk.Device;
        if (place.MetaDisk is not { } metaPath)
            return Answer(place, place.Disk, work(data, null));

        if (createMetaDisk && !File.Exists(metaPath))
        {
            MetadataLayout? layout = MetadataLayout.ForExternal(data.SizeBytes, Math.Max(1, place.Peers.Count), place.ActivityLogExtents);
            if (layout is null)
                return ControlResult.Refused($"{place}: the disk {place.Disk} has no room for data", "use a larger disk");
            DeviceOpenError created = DeviceFactory.CreateSparseFile(metaPath, layout.MetadataEnd, out string why);
            if (created != DeviceOpenError.None)
                return Refuse(place, created, why);
        }

        DeviceOpenResult meta = DeviceFactory.Open(metaPath);
        if (meta.Device is null)
            return Refuse(place, meta.Error, meta.Message);
        using IBlockDevice metadata = meta.Device;
        return Answer(place, metaPath, work(data, metadata));
    }

    private static ControlResult Answer(VolumePlace place, string path, MetadataResult result)
    {
        if (result.IsOk)
            return ControlResult.Done;
        string message = $"{place}: {path}: {result.Message}";
        return result.Error == MetadataError.DiskFailed
            ? ControlResult.Failed(message, result.Hint)
            : ControlResult.Refused(message, result.Hint);
    }

    private static ControlResult Refuse(VolumePlace place, DeviceOpenError error, string message) => error == DeviceOpenError.Busy
        ? ControlResult.Refused($"{place}: {message}", "is the daemon running? blockrepl down, then try again")
        : ControlResult.Failed($"{place}: {message}", "correct \"disk\" or \"meta-disk\" in the configuration");
}
