namespace BlockRepl.Core;

/// <summary>What becomes of requests while neither the local disk nor a peer can serve them (DRBD: <c>on-no-data-accessible</c>).</summary>
public enum NoDataPolicy : byte
{
    /// <summary>They fail with EIO.</summary>
    IoError,

    /// <summary>They wait until the peer that served is back.</summary>
    SuspendIo,
}
