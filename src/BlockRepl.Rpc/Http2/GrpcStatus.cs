using System.Globalization;

namespace BlockRepl.Rpc.Http2;

/// <summary>What the headers of a gRPC response and its trailers say.</summary>
internal static class GrpcStatus
{
    private static readonly string[] Names =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ];

    /// <summary>Checks the first header block: HTTP status 200 and a gRPC content type.</summary>
    public static void CheckResponse(List<(string Name, string Value)> headers)
    {
        string? status = Find(headers, ":status");
        if (status != "200")
            throw new ChannelException(ChannelCloseReason.ProtocolError, $"the peer answered with HTTP status {Clean(status ?? "(none)")}, not 200");
        string type = Find(headers, "content-type") ?? "(none)";
        if (!type.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase))
            throw new ChannelException(ChannelCloseReason.ProtocolError, $"the peer does not speak gRPC: content-type {Clean(type)}");
    }

    /// <summary>How the trailers end the stream.</summary>
    public static ChannelException End(List<(string Name, string Value)> trailers)
    {
        string? status = Find(trailers, "grpc-status");
        if (!int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out int code))
            return new ChannelException(ChannelCloseReason.ProtocolError, "the peer ended the stream without a gRPC status");
        // OK, CANCELLED and UNAVAILABLE are how a node that stops says so; everything else is a refusal.
        ChannelCloseReason reason = code is 0 or 1 or 14 ? ChannelCloseReason.PeerClosed : ChannelCloseReason.ProtocolError;
        string name = code < Names.Length ? Names[code] : "unknown";
        string text = Clean(Uri.UnescapeDataString(Find(trailers, "grpc-message") ?? ""));
        return new ChannelException(reason, $"the peer ended the stream: {name} ({code}){(text.Length > 0 ? " " : "")}{text}");
    }

    private static string? Find(List<(string Name, string Value)> headers, string name)
    {
        foreach ((string n, string value) in headers)
        {
            if (n == name)
                return value;
        }

        return null;
    }

    private static string Clean(string text)
    {
        string clean = string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));
        return clean.Length <= 200 ? clean : clean[..200];
    }
}
