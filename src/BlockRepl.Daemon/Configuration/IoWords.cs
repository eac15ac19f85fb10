using BlockRepl.Device;

namespace BlockRepl.Daemon.Configuration;

/// <summary>The words of the key <c>io</c>.</summary>
internal static class IoWords
{
    /// <summary>As the file and the status spell it.</summary>
    public static string Of(DeviceIo io) => io == DeviceIo.Direct ? "direct" : "buffered";
}
