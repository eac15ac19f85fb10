namespace BlockRepl.Core;

/// <summary>What an error of the local disk means (DRBD: <c>on-io-error</c>). A failed flush or metadata write costs the disk under either (docs/decisions/0020).</summary>
public enum IoErrorPolicy : byte
{
    /// <summary>The disk is given up; the peer serves while it is in sync.</summary>
    Detach,

    /// <summary>The disk is kept where that is safe: a failed read is retried at the peer, and without a peer in sync the client is told of the error.</summary>
    PassOn,
}
