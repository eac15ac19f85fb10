namespace BlockRepl.Daemon.Nbd;

/// <summary>A listening address cannot be had; the message is for the operator.</summary>
public sealed class NbdListenException : Exception
{
    /// <summary>With the cause.</summary>
    public NbdListenException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
