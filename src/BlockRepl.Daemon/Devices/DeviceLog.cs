using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Devices;

/// <summary>Log lines about block devices.</summary>
internal static partial class DeviceLog
{
    [LoggerMessage(EventId = 280, Level = LogLevel.Information, Message = "{Device} serves {Volume}")]
    public static partial void Connected(ILogger logger, string device, string volume);

    [LoggerMessage(EventId = 281, Level = LogLevel.Warning, Message = "{Device} of {Volume} has lost its link ({Why}); the kernel holds its I/O")]
    public static partial void Lost(ILogger logger, string device, string volume, string why);

    [LoggerMessage(EventId = 282, Level = LogLevel.Warning, Message = "{Device} of {Volume}: {Why}; tried again")]
    public static partial void Trouble(ILogger logger, string device, string volume, string why);

    [LoggerMessage(EventId = 283, Level = LogLevel.Information, Message = "{Device} of {Volume} has {Bytes} bytes now")]
    public static partial void Resized(ILogger logger, string device, string volume, long bytes);

    [LoggerMessage(EventId = 284, Level = LogLevel.Information, Message = "{Device} of {Volume} is detached")]
    public static partial void Detached(ILogger logger, string device, string volume);

    [LoggerMessage(EventId = 285, Level = LogLevel.Error, Message = "{Device} of {Volume} is ended, its I/O fails: {Why}")]
    public static partial void Ended(ILogger logger, string device, string volume, string why);

    [LoggerMessage(EventId = 286, Level = LogLevel.Information, Message = "{Device} of {Volume} was attached by the daemon before this one: its I/O is held until {Volume} is served again")]
    public static partial void Found(ILogger logger, string device, string volume);

    [LoggerMessage(EventId = 287, Level = LogLevel.Warning, Message = "{Device} of {Volume} was detached by somebody else")]
    public static partial void Gone(ILogger logger, string device, string volume);

    [LoggerMessage(EventId = 288, Level = LogLevel.Information, Message = "{Resource} has devices in use: becoming Primary again")]
    public static partial void Resuming(ILogger logger, string resource);

    [LoggerMessage(EventId = 289, Level = LogLevel.Error, Message = "{Resource} has devices whose I/O is held and cannot become Primary again: {Why}; {Hint}")]
    public static partial void NotResumed(ILogger logger, string resource, string why, string hint);

    [LoggerMessage(EventId = 290, Level = LogLevel.Error, Message = "{Device} of {Volume} cannot be ended: {Why}")]
    public static partial void NotEnded(ILogger logger, string device, string volume, string why);

    [LoggerMessage(EventId = 291, Level = LogLevel.Warning, Message = "{Device} of {Volume} does not work any more: {Why}")]
    public static partial void Broken(ILogger logger, string device, string volume, string why);
}
