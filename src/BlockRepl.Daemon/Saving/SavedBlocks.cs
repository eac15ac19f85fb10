using System.Globalization;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Daemon.Saving;

/// <summary>What the command <c>saved</c> does with save files. No daemon takes part. Stateless; blocks.</summary>
public static class SavedBlocks
{
    /// <summary>A line for each save file of a directory, oldest first by name.</summary>
    public static ControlResult List(string directory)
    {
        if (!Directory.Exists(directory))
            return ControlResult.Failed($"{directory} does not exist", "name the directory of save-dir: --dir DIR");
        List<string> lines = [];
        foreach (string path in Directory.GetFiles(directory, "*" + SaveFileWriter.Extension).Order(StringComparer.Ordinal))
        {
            using SaveFileReader? file = SaveFileReader.Open(path, out string why);
            lines.Add(file is null ? $"{path}: {why}" : Invariant($"{path} {Name(file)} node:{file.Header.NodeName} saved:{Time(file.Header.SavedMs)} bytes:{file.SavedBytes}"));
        }

        return ControlResult.Answer(string.Join('\n', lines));
    }

    /// <summary>What a save file says of itself, and whether every run's checksum is right; 1 if one is not.</summary>
    public static ControlResult Show(string path)
    {
        using SaveFileReader? file = SaveFileReader.Open(path, out string why);
        if (file is null)
            return Unusable(path, why);
        SaveFileHeader header = file.Header;
        List<SaveFileRun> damaged = file.Verify();
        if (damaged.Count > 0)
            return Damaged(path, damaged);
        return ControlResult.Answer(string.Join('\n',
            $"volume: {Name(file)}",
            $"node: {header.NodeName}",
            $"replaced by the data of: {header.PeerName}",
            $"saved: {Time(header.SavedMs)}",
            $"alone since: {(header.SinceMs > 0 ? Time(header.SinceMs) : "not known")}",
            $"generation: {header.Generation}",
            $"both went on from: {(header.BaseGeneration.IsNone ? "not known" : header.BaseGeneration.ToString())}",
            $"what: {(header.Scope == SaveFileScope.WholeVolume ? "the whole volume" : "the blocks that it changed")}",
            Invariant($"volume size: {header.VolumeBytes}"),
            Invariant($"bytes: {file.SavedBytes} in {header.RunCount} runs"),
            "checksums: right"));
    }

    /// <summary>Writes the saved blocks at their places into a file or device, which is made if it does not exist. Doing it twice is the same as once.</summary>
    public static ControlResult Restore(string path, string target, bool force)
    {
        using SaveFileReader? file = SaveFileReader.Open(path, out string why);
        if (file is null)
            return Unusable(path, why);

        // All before the first: a restore that stops in the middle would be one more mixture.
        List<SaveFileRun> damaged = file.Verify();
        if (damaged.Count > 0)
            return Damaged(path, damaged);
        if (!File.Exists(target) && DeviceFactory.CreateSparseFile(target, file.Header.VolumeBytes, out string cannot) != DeviceOpenError.None)
            return ControlResult.Failed(cannot);
        DeviceOpenResult opened = DeviceFactory.Open(target);
        if (opened.Device is not { } device)
        {
            return opened.Error == DeviceOpenError.Busy
                ? ControlResult.Refused(opened.Message, "take its resource down first, or restore into an image")
                : ControlResult.Failed(opened.Message);
        }

        using (device)
        {
            long end = file.Runs.Length > 0 ? file.Runs[^1].End : 0;
            if (device.SizeBytes < end)
                return ControlResult.Refused(Invariant($"{target} has {device.SizeBytes} bytes, the saved blocks go to {end}"), "name a larger one");
            bool isVolume = !force && new MetadataReader(device, null).ReadSuperblock(out _).Error != MetadataError.NoMetadata;
            if (isVolume)
            {
                return ControlResult.Refused(
                    $"{target} is the disk of a volume: what is written past its node is on no record, and its peer would not get it",
                    "restore into an image and copy from there through the export; --force writes all the same");
            }

            return Write(file, device, target);
        }
    }

    /// <summary>Serves a save file as a read-only NBD export on a unix socket until <paramref name="stop"/> fires.</summary>
    public static ControlResult Export(string path, string? over, string socket, Action<string> onListening, CancellationToken stop)
    {
        using SaveFileReader? file = SaveFileReader.Open(path, out string why);
        if (file is null)
            return Unusable(path, why);
        try
        {
            // Without a lock: the image below may be a disk that a daemon has open.
            using Microsoft.Win32.SafeHandles.SafeFileHandle? below = over is null ? null : File.OpenHandle(over, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var export = new SaveFileExport(file, below);
            using var server = new NbdServer(new SaveFileExports(export), new NbdServerOptions(), NullLogger<NbdServer>.Instance);
            server.ListenUnix(socket);
            onListening($"nbd+unix:///{export.Info.Name}?socket={socket}");
            stop.WaitHandle.WaitOne();
            server.Stop("the save file is served no more");
            return ControlResult.Done;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NbdListenException)
        {
            return ControlResult.Failed(e.Message);
        }
    }

    private static ControlResult Write(SaveFileReader file, IBlockDevice device, string target)
    {
        byte[] buffer = new byte[SaveFileCodec.DataBytesMax];
        foreach (SaveFileRun run in file.Runs)
        {
            Span<byte> data = buffer.AsSpan(0, run.IsZeroes ? 0 : (int)run.Length);
            if (!run.IsZeroes && !file.TryRead(in run, data))
                return Damaged(file.Path, [run]);
            DiskResult result = run.IsZeroes
                ? device.WriteZeroes(run.Offset, run.Length, mayPunchHole: true, fastOnly: false)
                : device.Write(run.Offset, data, forceUnitAccess: false);
            if (!result.IsOk)
                return ControlResult.Failed(Invariant($"{target} could not be written at {run.Offset}: {result}"), "run it again when that is mended; twice is the same as once");
        }

        DiskResult flushed = device.Flush();
        return flushed.IsOk
            ? ControlResult.Answer(Invariant($"{file.SavedBytes} bytes in {file.Runs.Length} runs are in {target}"))
            : ControlResult.Failed($"{target} could not be flushed: {flushed}");
    }

    private static ControlResult Unusable(string path, string why) => ControlResult.Failed($"{path}: {why}", "blockrepl saved list shows the save files that there are");

    private static ControlResult Damaged(string path, List<SaveFileRun> damaged) => ControlResult.Failed(
        Invariant($"{path}: {damaged.Count} runs are damaged, the first at {damaged[0].Offset} of the volume, {damaged[0].Length} bytes"),
        "look for another copy of the file; saved export shows what is whole");

    private static string Name(SaveFileReader file) => $"{file.Header.ResourceName}/{file.Header.VolumeName}";

    private static string Time(long unixMs) => DateTimeOffset.FromUnixTimeMilliseconds(unixMs).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
