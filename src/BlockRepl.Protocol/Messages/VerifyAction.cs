namespace BlockRepl.Protocol;

/// <summary>What a <see cref="VerifyControlMessage"/> is about.</summary>
public enum VerifyAction : byte
{
    /// <summary>Please compare this range; the receiver is the side whose data counts.</summary>
    Ask = 0,

    /// <summary>The sender begins to compare; ranges follow.</summary>
    Begin = 1,

    /// <summary>No, for the reason given: the answer to <see cref="Ask"/> or <see cref="Begin"/>.</summary>
    Refuse = 2,

    /// <summary>What follows as ResyncData are the blocks that differed, to be written over.</summary>
    Repair = 3,

    /// <summary>Make what came for the repair stable.</summary>
    Flush = 4,

    /// <summary>It is stable.</summary>
    Flushed = 5,

    /// <summary>All was compared; the counts are final.</summary>
    End = 6,

    /// <summary>The comparison stopped before its end, for the reason given; the counts are those so far.</summary>
    Stop = 7,
}
