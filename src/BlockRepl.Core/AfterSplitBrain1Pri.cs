namespace BlockRepl.Core;

/// <summary>
/// Who loses its changes when a split brain is found and one node is Primary (DRBD: <c>after-sb-1pri</c>). DRBD's <c>violently-as0p</c> does not exist here: a Primary's data
/// is never exchanged under its clients (docs/decisions/0010).
/// </summary>
public enum AfterSplitBrain1Pri : byte
{
    /// <summary>Nobody: a person decides.</summary>
    Disconnect,

    /// <summary>Whom <see cref="AfterSplitBrain0Pri"/> names, if that is the Secondary; nobody otherwise.</summary>
    Consensus,

    /// <summary>The Secondary.</summary>
    DiscardSecondary,

    /// <summary>Whom <see cref="AfterSplitBrain0Pri"/> names; if that is the Primary, its handler <c>pri-lost-after-sb</c> is called and a person decides.</summary>
    CallPrimaryLost,
}
