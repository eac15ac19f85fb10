using System.Globalization;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// The records of attached devices, a small file each in the run directory: <c>devices/RESOURCE/VOLUME</c>. A kernel device's record is also the proof that its data
/// are still what its users last saw: it is deleted before anything else may change them (<see cref="DeviceGuard"/>), and a device without one is never resumed.
/// The directory need not survive a reboot, for the devices do not either. Thread-safe, one writer for each volume.
/// </summary>
internal sealed class DeviceRecords(string runDirectory)
{
    private readonly string _directory = Path.Combine(runDirectory, "devices");

    /// <summary>The file of a volume's record.</summary>
    public string PathOf(string volume) => Path.Combine(_directory, volume);

    /// <summary>Creates or replaces a record, whole or not at all.</summary>
    public void Write(DeviceRecord record)
    {
        string path = PathOf(record.Volume);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string beside = path + "~"; // no volume has such a name
        File.WriteAllText(beside, string.Create(CultureInfo.InvariantCulture,
            $"via={record.Via}\ndevice={record.Device}\nhold={record.Hold.TotalSeconds}\nmountpoint={record.Mountpoint}\n"));
        File.Move(beside, path, overwrite: true);
    }

    /// <summary>Removes a record; none is no error.</summary>
    public void Delete(string volume)
    {
        if (File.Exists(PathOf(volume)))
            File.Delete(PathOf(volume));
    }

    /// <summary>Every record that can be read. One that cannot is as good as none.</summary>
    public IReadOnlyList<DeviceRecord> Read()
    {
        List<DeviceRecord> records = [];
        if (!Directory.Exists(_directory))
            return records;
        foreach (string resource in Directory.EnumerateDirectories(_directory))
        {
            foreach (string file in Directory.EnumerateFiles(resource))
            {
                if (!file.EndsWith('~') && Parse($"{Path.GetFileName(resource)}/{Path.GetFileName(file)}", File.ReadAllLines(file)) is { } record)
                    records.Add(record);
            }
        }

        return records;
    }

    private static DeviceRecord? Parse(string volume, string[] lines)
    {
        Dictionary<string, string> values = [];
        foreach (string line in lines)
        {
            if (line.IndexOf('=', StringComparison.Ordinal) is var equals and > 0)
                values[line[..equals]] = line[(equals + 1)..];
        }

        return Enum.TryParse(values.GetValueOrDefault("via"), out DeviceVia via)
            && values.GetValueOrDefault("device") is { Length: > 0 } device
            && double.TryParse(values.GetValueOrDefault("hold"), NumberStyles.None, CultureInfo.InvariantCulture, out double hold)
            ? new DeviceRecord(volume, via, device, TimeSpan.FromSeconds(hold), values.GetValueOrDefault("mountpoint") ?? "")
            : null;
    }
}
