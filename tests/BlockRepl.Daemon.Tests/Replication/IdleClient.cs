using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>A client that is connected and asks for nothing.</summary>
internal sealed class IdleClient : INbdClient
{
    public string Description => "a client that does nothing";

    public void Abort(string reason)
    {
    }
}
