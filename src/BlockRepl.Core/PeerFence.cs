namespace BlockRepl.Core;

/// <summary>What is known and being done about one peer that is not there (G13). Belongs to one loss of the connection; a new one begins anew.</summary>
internal sealed class PeerFence
{
    /// <summary>This Primary may not rely on the peer's absence yet.</summary>
    public bool IsNeeded { get; set; }

    /// <summary>When the loss was noticed (monotonic ms).</summary>
    public long SinceMs { get; set; }

    /// <summary>The connection was ended to be made anew at once: <c>fence-peer</c> is called only if it is not back by then (monotonic ms); zero if that is not so.</summary>
    public long CallAtMs { get; set; }

    /// <summary>The call of <c>fence-peer</c> that was made about this loss and is not answered; the answer to any other does not count (hard part 21).</summary>
    public HandlerCall? Call { get; set; }

    /// <summary>Why the peer is not fenced, in words; empty while that is not known.</summary>
    public string Failure { get; set; } = "";

    /// <summary>A promotion waits for the answer: null if the peer is fenced, else why this node may not be promoted.</summary>
    public Action<CommandResult?>? OnAnswered { get; set; }

    /// <summary>The evidence was given up for a handshake that has not agreed on anything yet: if it ends like that, the evidence is as good as before.</summary>
    public bool IsEvidenceSuspended { get; set; }

    /// <summary><c>unfence-peer</c> was called on this connection.</summary>
    public bool IsUnfencing { get; set; }

    /// <summary>Forgets what belonged to the last loss.</summary>
    public void Reset()
    {
        IsNeeded = false;
        CallAtMs = 0;
        Call = null;
        Failure = "";
        OnAnswered = null;
        IsEvidenceSuspended = false;
        IsUnfencing = false;
    }
}
