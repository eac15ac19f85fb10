using System.Text.Json;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata.Inspection;
using BlockRepl.Device;
using BlockRepl.Format;

namespace BlockRepl.Daemon.Metadata;

/// <summary>Creates, wipes and looks at a volume's metadata on real disks, without a daemon.</summary>
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
    public ControlResult HasGrown(VolumePlace place, long oldSizeBytes)
    {
        return WithDisks(place, createMetaDisk: false, (disk, metaDisk) => metaDisk is null
            ? MetadataGrowth.PointToOldEnd(disk, oldSizeBytes, new VolumeIdentity(place.Resource, place.Volume, place.Node))
            : new MetadataResult(MetadataError.OtherKind, "its metadata is external and does not move", "bring it up, and resize"));
    }

    /// <inheritdoc/>
    public ControlResult Upgrade(VolumePlace place) => WithDisks(
        place, createMetaDisk: false, (disk, metaDisk) => VolumeMetadataStore.Upgrade(disk, metaDisk, new VolumeIdentity(place.Resource, place.Volume, place.Node)));

    /// <inheritdoc/>
    public ControlResult Restore(VolumePlace place, string dump, bool force)
    {
        if (MetadataDump.Parse(dump, out string why) is not { } parsed)
            return ControlResult.Refused($"{place}: this is not what dump-md prints: {why}", $"make a dump: blockrepl dump-md {place}");
        ControlResult result = WithDisks(place, createMetaDisk: true, (disk, metaDisk) => MetadataRestorer.Restore(disk, metaDisk, parsed, new MetadataCreateOptions
        {
            Identity = new VolumeIdentity(place.Resource, place.Volume, place.Node),
            DeviceId = drawDeviceId(),
            PeerNames = [],
            PeerSlots = Math.Max(Math.Max(1, place.Peers.Count), parsed.Marks.Count),
            ActivityLogExtents = parsed.Superblock.ActivityLogExtents,
            Force = force,
        }));
        return result.ExitCode == ExitCodes.Done
            ? ControlResult.Answer($"{place}: restored. Nothing in it tells what was written after the dump was made: if anything was, say invalidate on one node, or verify")
            : result;
    }

    /// <inheritdoc/>
    public ControlResult Wipe(VolumePlace place) => WithDisks(place, createMetaDisk: false, VolumeMetadataStore.Wipe);

    /// <inheritdoc/>
    public ControlResult Dump(VolumePlace place, bool json) => Look(place, (_, report) => ControlResult.Answer(
        json ? JsonSerializer.Serialize(report, MetadataReportJson.Default.MetadataReport) : MetadataText.Dump(report)));

    /// <inheritdoc/>
    public ControlResult Verify(VolumePlace place) => Look(place, (_, report) =>
    {
        IEnumerable<string> findings = MetadataText.Problems(report).Select(problem => $"{place}: {problem}");
        if (report.Intact)
            return ControlResult.Answer(string.Join('\n', findings.Append($"{place}: metadata is intact")));
        return ControlResult.Failed(string.Join('\n', findings), report.Usable
            ? "an attach takes it all the same: what is not known is resynced"
            : $"create-md --force {place} makes new metadata; the volume is then resynced in full from its peer");
    });

    /// <inheritdoc/>
    public ControlResult Generations(VolumePlace place, bool explain) => Look(place, (superblock, report) =>
    {
        if (superblock is null)
            return ControlResult.Failed(string.Join('\n', MetadataText.Problems(report)), $"blockrepl verify-md {place} says more");
        var text = new GenerationText(superblock, [.. report.Peers.Select(peer => (peer.Slot, peer.OutOfSyncBlocks))]);
        return ControlResult.Answer(explain
            ? text.Explain(report.ActivityLog?.ActiveExtents.Count ?? 0)
            : text.MachineReadable());
    });

    // A daemon may be writing: what looks damaged is read again before it is called so.
    private static ControlResult Look(VolumePlace place, Func<Superblock?, MetadataReport, ControlResult> answer)
    {
        const int Attempts = 3;
        using DeviceReader? disk = DeviceReader.Open(place.Disk, out DeviceOpenError error, out string message);
        if (disk is null)
            return NotReadable(place, error, message);
        using DeviceReader? meta = place.MetaDisk is { } path ? DeviceReader.Open(path, out error, out message) : null;
        if (place.MetaDisk is not null && meta is null)
            return NotReadable(place, error, message);
        for (int attempt = 1; ; attempt++)
        {
            var inspector = new MetadataInspector(
                place, new MetadataSource(disk.SizeBytes, disk.Read), meta is null ? null : new MetadataSource(meta.SizeBytes, meta.Read));
            if (inspector.Inspect() is not { } report)
            {
                return ControlResult.Refused(
                    $"{place}: there is no metadata on {place.MetaDisk ?? place.Disk}", $"create it: blockrepl create-md {place}");
            }

            if (report.Problems.Count == 0 || attempt == Attempts)
                return answer(inspector.Superblock, report);
        }
    }

    private static ControlResult NotReadable(VolumePlace place, DeviceOpenError error, string message) => error == DeviceOpenError.NotFound
        ? new ControlResult(ExitCodes.NoLocalDisk, $"{place}: no local disk: {message}", "correct \"disk\" in the configuration, or create it: blockrepl create-md")
        : ControlResult.Failed($"{place}: {message}", "run this as root");

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
