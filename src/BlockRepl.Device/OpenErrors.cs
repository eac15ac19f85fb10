namespace BlockRepl.Device;

/// <summary>The one place where the error number of an open becomes a <see cref="DeviceOpenError"/> and a sentence.</summary>
internal static class OpenErrors
{
    public static DeviceOpenError From(int errno, string path, out string message)
    {
        (DeviceOpenError error, string text) = errno switch
        {
            Errno.NoEntry or Errno.NotDirectory or Errno.NoDevice or Errno.NoDeviceOrAddress =>
                (DeviceOpenError.NotFound, "does not exist"),
            Errno.Busy or Errno.TryAgain or Errno.TextBusy =>
                (DeviceOpenError.Busy, "is in use: another daemon, a mount or a device mapper holds it"),
            Errno.AccessDenied or Errno.NotPermitted =>
                (DeviceOpenError.PermissionDenied, "may not be opened for writing by this user"),
            Errno.ReadOnly => (DeviceOpenError.ReadOnly, "is read-only"),
            Errno.IsDirectory => (DeviceOpenError.NotABlockDeviceOrFile, "is a directory"),
            Errno.Exists => (DeviceOpenError.AlreadyExists, "exists already"),
            Errno.NoSpace => (DeviceOpenError.NoSpace, "cannot be created: no space left"),
            _ => (DeviceOpenError.Failed, $"cannot be opened: errno {errno}"),
        };
        message = $"{path} {text}";
        return error;
    }
}
