namespace BlockRepl.Protocol;

/// <summary>Facts about a volume at the handshake. Values go over the wire; unknown bits are kept and ignored.</summary>
[Flags]
public enum VolumeFlags : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The sender's daemon ended while Primary, without an orderly demotion.</summary>
    CrashedPrimary = 1,

    /// <summary>The sender's host lost power or was restarted since.</summary>
    LostPower = 2,

    /// <summary>The bitmap is not to be trusted; every block may differ.</summary>
    FullSyncNeeded = 4,

    /// <summary>The sender was Primary when it lost the receiver, before it went on alone (since version 2).</summary>
    PrimaryAtSplit = 8,

    /// <summary>What the sender has and the receiver lacks belongs to the history that the two had when they were last connected (since version 2).</summary>
    OneHistory = 16,

    /// <summary>The sender was promoted while the receiver was not connected, and the two have not been found or made equal since (since version 2).</summary>
    TookOver = 32,
}
