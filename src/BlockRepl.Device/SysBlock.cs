using System.Globalization;

namespace BlockRepl.Device;

/// <summary>What /sys says about a block device's queue. Everything here is a hint: what cannot be read is taken as absent.</summary>
internal static class SysBlock
{
    /// <summary>Whether seeks are expensive on the device, or on the one that the file lies on.</summary>
    public static bool IsRotational(bool isBlockDevice, in LinuxFile.Status status) =>
        isBlockDevice
            ? ReadQueue(status.DeviceMajor, status.DeviceMinor, "rotational") == 1
            : ReadQueue(status.ContainerMajor, status.ContainerMinor, "rotational") == 1;

    /// <summary>Whether the device zeroes ranges by itself.</summary>
    public static bool CanWriteZeroes(in LinuxFile.Status status) =>
        ReadQueue(status.DeviceMajor, status.DeviceMinor, "write_zeroes_max_bytes") > 0;

    private static long ReadQueue(uint major, uint minor, string name)
    {
        string device = string.Create(CultureInfo.InvariantCulture, $"/sys/dev/block/{major}:{minor}");
        // A partition has no queue of its own; its disk is one directory up, behind the link.
        return ReadNumber($"{device}/queue/{name}") ?? ReadNumber($"{device}/../queue/{name}") ?? 0;
    }

    private static long? ReadNumber(string path)
    {
        try
        {
            return long.TryParse(File.ReadAllText(path), NumberStyles.Integer, CultureInfo.InvariantCulture, out long value)
                ? value
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
