namespace BlockRepl.Core;

/// <summary>
/// What an operator has decided in advance about split brains; names and defaults are DRBD's. Both nodes of a connection must have the same, because each comes to its
/// verdict by itself (hard part 19).
/// </summary>
public sealed record SplitBrainPolicies
{
    /// <summary>Nothing is decided in advance.</summary>
    public static SplitBrainPolicies Default { get; } = new();

    /// <summary><c>after-sb-0pri</c>.</summary>
    public AfterSplitBrain0Pri NoPrimary { get; init; }

    /// <summary>The node of <c>discard-node-NAME</c>; empty with any other <see cref="NoPrimary"/>.</summary>
    public string DiscardNode { get; init; } = "";

    /// <summary><c>after-sb-1pri</c>.</summary>
    public AfterSplitBrain1Pri OnePrimary { get; init; }

    /// <summary><c>after-sb-2pri</c>.</summary>
    public AfterSplitBrain2Pri TwoPrimaries { get; init; }

    /// <summary><c>always-asbp</c>: also where the generation that both went on from is found only in a history; the resync is then a full one.</summary>
    public bool Always { get; init; }

    /// <summary>
    /// The policies in one line, as they are told to the peer and compared; empty for the defaults, which is also what a peer of protocol version 1 says.
    /// </summary>
    public string Text
    {
        get
        {
            List<string> said = [];
            if (NoPrimary != AfterSplitBrain0Pri.Disconnect)
                said.Add("after-sb-0pri " + Word(NoPrimary) + DiscardNode);
            if (OnePrimary != AfterSplitBrain1Pri.Disconnect)
                said.Add("after-sb-1pri " + Word(OnePrimary));
            if (TwoPrimaries != AfterSplitBrain2Pri.Disconnect)
                said.Add("after-sb-2pri call-pri-lost-after-sb");
            if (Always)
                said.Add("always-asbp yes");
            return string.Join(", ", said);
        }
    }

    private static string Word(AfterSplitBrain0Pri policy) => policy switch
    {
        AfterSplitBrain0Pri.DiscardYoungerPrimary => "discard-younger-primary",
        AfterSplitBrain0Pri.DiscardOlderPrimary => "discard-older-primary",
        AfterSplitBrain0Pri.DiscardZeroChanges => "discard-zero-changes",
        AfterSplitBrain0Pri.DiscardLeastChanges => "discard-least-changes",
        AfterSplitBrain0Pri.DiscardNode => "discard-node-",
        _ => "disconnect",
    };

    private static string Word(AfterSplitBrain1Pri policy) => policy switch
    {
        AfterSplitBrain1Pri.Consensus => "consensus",
        AfterSplitBrain1Pri.DiscardSecondary => "discard-secondary",
        AfterSplitBrain1Pri.CallPrimaryLost => "call-pri-lost-after-sb",
        _ => "disconnect",
    };
}
