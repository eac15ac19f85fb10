namespace BlockRepl.Nbd;

/// <summary>Where answers go: the connection that a request came from. Thread-safe; never blocks on the client.</summary>
public interface INbdReplySink
{
    /// <summary>Queues the answer and ends the request's life; the request must not be touched afterwards.</summary>
    void Complete(NbdRequest request, NbdError error);

    /// <summary>Sends what is queued, as far as it goes without blocking; the rest follows by itself.</summary>
    void Flush();

    /// <summary>
    /// Whether the client has sent more than was submitted: a hint for whoever would else make it wait for a disk. Costs a system call; within <see cref="INbdExport.Submit"/> only, for one of
    /// its requests. A source that cannot tell says no.
    /// </summary>
    bool HasMore => false;
}
