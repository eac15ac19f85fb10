namespace BlockRepl.Rpc.Http2;

/// <summary>What a listener expects of a request.</summary>
internal static class GrpcRequest
{
    /// <summary>Whether a request asks for something other than the peer stream.</summary>
    public static bool IsOther(List<(string Name, string Value)> headers)
    {
        bool isPost = false;
        bool isStream = false;
        bool isGrpc = false;
        foreach ((string name, string value) in headers)
        {
            isPost |= name == ":method" && value == "POST";
            isStream |= name == ":path" && value == PeerDialer.StreamPath;
            isGrpc |= name == "content-type" && value.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase);
        }

        return !(isPost && isStream && isGrpc);
    }
}
