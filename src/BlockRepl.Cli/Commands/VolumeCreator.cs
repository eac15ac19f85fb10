using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>Makes one volume ready for use: its file where it is one, then its metadata.</summary>
/// <param name="metadata">Writes the metadata.</param>
internal sealed class VolumeCreator(IVolumeMetadataTool metadata)
{
    /// <summary>Creates what is missing. A file that was created here is removed again when its metadata is refused.</summary>
    public ControlResult Create(
        ClusterConfiguration configuration, VolumePlace place, VolumeConfiguration volume, string node, bool force)
    {
        if (Directory.Exists(place.Disk))
            return ControlResult.Refused($"the disk of {place}, {place.Disk}, is a directory", "name a block device or a file");
        var exists = File.Exists(place.Disk);
        try
        {
            if (!exists || IsEmptyFile(place.Disk))
            {
                if (volume.Size is null)
                    return NoSize(configuration, place, volume, exists);
                using var file = new FileStream(place.Disk, new FileStreamOptions
                {
                    Mode = exists ? FileMode.Open : FileMode.CreateNew,
                    Access = FileAccess.Write,
                    UnixCreateMode = exists ? null : UnixFileMode.UserRead | UnixFileMode.UserWrite,
                });
                file.SetLength(volume.Size.For(node));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ControlResult.Failed($"the disk of {place}, {place.Disk}, cannot be created: {e.Message}",
                "create its directory, or correct \"disk\" and \"size\" in the configuration");
        }
        var result = metadata.Create(place, force);
        if (result.ExitCode != ExitCodes.Done && !exists)
            File.Delete(place.Disk);
        return result;
    }

    private static bool IsEmptyFile(string path)
    {
        var file = new FileInfo(path);
        // A block device has length 0 as well, and is no regular file.
        return file.Length == 0 && (file.Attributes & FileAttributes.Device) == 0 && !path.StartsWith("/dev/", StringComparison.Ordinal)
            && (file.ResolveLinkTarget(returnFinalTarget: true)?.FullName.StartsWith("/dev/", StringComparison.Ordinal) != true);
    }

    private static ControlResult NoSize(ClusterConfiguration configuration, VolumePlace place, VolumeConfiguration volume, bool exists)
    {
        var error = new ConfigurationError(configuration.File, volume.Source.Line, volume.Source.Column,
            $"the disk of {place}, {place.Disk}, {(exists ? "is an empty file" : "does not exist")} and no \"size\" says how large to make it");
        return new ControlResult(ExitCodes.ConfigurationOrDaemon, error.ToString(), "add \"size\", like size: 1GiB, or create the disk first");
    }
}
