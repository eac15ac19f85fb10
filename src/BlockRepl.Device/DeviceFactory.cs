namespace BlockRepl.Device;

/// <summary>Opens disks. Stateless; may be called from any thread.</summary>
public static class DeviceFactory
{
    /// <summary>
    /// Opens the regular file or block device at <paramref name="path"/> (links are followed), as its only
    /// owner, if it has at least <paramref name="minimumBytes"/>. <see cref="DeviceIo.Direct"/> is had or refused, never replaced by the other.
    /// </summary>
    public static DeviceOpenResult Open(string path, long minimumBytes = 0, DeviceIo io = DeviceIo.Buffered)
    {
        DeviceOpenResult result = io == DeviceIo.Direct ? DirectFileDevice.Open(path, NativeSupport.Current) : BufferedFileDevice.Open(path);
        if (result.Device is null || result.Device.SizeBytes >= minimumBytes)
            return result;
        long size = result.Device.SizeBytes;
        result.Device.Dispose();
        return new DeviceOpenResult(
            null, DeviceOpenError.TooSmall, $"{path} has {size} bytes, fewer than the {minimumBytes} that it must have");
    }

    /// <summary>
    /// Creates a sparse file of <paramref name="sizeBytes"/> that only its owner may read, and makes its existence durable.
    /// Never touches a file that is there already. The file is removed again if that fails.
    /// </summary>
    public static DeviceOpenError CreateSparseFile(string path, long sizeBytes, out string message) =>
        SparseFile.Create(path, sizeBytes, out message);
}
