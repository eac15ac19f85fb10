namespace BlockRepl.Nbd;

/// <summary>One export as a connection's thread sees it after negotiation.</summary>
public interface INbdExport
{
    /// <summary>Size, flags and block sizes; fixed for the life of this object.</summary>
    NbdExportInfo Info { get; }

    /// <summary>
    /// Carries out a batch of validated requests in the order given. May block its caller (a disk, a full peer). Each request is answered
    /// exactly once through <see cref="INbdReplySink.Complete"/>, during this call or later from any thread. The callee need
    /// not call <see cref="INbdReplySink.Flush"/> for what completed during the call: the connection does so afterwards.
    /// </summary>
    void Submit(ReadOnlySpan<NbdRequest> batch);
}
