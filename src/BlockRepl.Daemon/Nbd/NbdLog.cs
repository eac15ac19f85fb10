using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Nbd;

/// <summary>Log lines of the NBD server; nothing is logged per request.</summary>
internal static partial class NbdLog
{
    [LoggerMessage(EventId = 2000, Level = LogLevel.Information, Message = "NBD listens on {Endpoint}")]
    public static partial void Listening(ILogger logger, string endpoint);

    [LoggerMessage(EventId = 2001, Level = LogLevel.Information, Message = "NBD client {Client} opened {Export} (structured replies: {Structured})")]
    public static partial void Opened(ILogger logger, string client, string export, bool structured);

    [LoggerMessage(EventId = 2002, Level = LogLevel.Information, Message = "NBD client {Client} left {Export}: {Reason}")]
    public static partial void Closed(ILogger logger, string client, string export, string reason);

    [LoggerMessage(EventId = 2003, Level = LogLevel.Information, Message = "NBD client {Client} ended its handshake: {Reason}")]
    public static partial void Refused(ILogger logger, string client, string reason);

    [LoggerMessage(EventId = 2004, Level = LogLevel.Warning, Message = "NBD client {Client} hung up at once: {Count} connections are open already")]
    public static partial void TooMany(ILogger logger, string client, int count);

    [LoggerMessage(EventId = 2005, Level = LogLevel.Warning, Message = "NBD cannot accept on {Endpoint}: {Reason}")]
    public static partial void AcceptFailed(ILogger logger, string endpoint, string reason);

    [LoggerMessage(EventId = 2006, Level = LogLevel.Warning, Message = "NBD stops with {Count} connections whose requests are not completed")]
    public static partial void GaveUp(ILogger logger, int count);
}
