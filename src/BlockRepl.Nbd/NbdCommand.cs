namespace BlockRepl.Nbd;

/// <summary>Request types (proto.md "Request types"); the values are the wire's.</summary>
public enum NbdCommand : ushort
{
    /// <summary>Read a range.</summary>
    Read = 0,

    /// <summary>Write a range; the payload follows the header.</summary>
    Write = 1,

    /// <summary>Finish what is in flight and end the connection; has no reply.</summary>
    Disconnect = 2,

    /// <summary>Make every write answered before it stable.</summary>
    Flush = 3,

    /// <summary>The client does not need the range.</summary>
    Trim = 4,

    /// <summary>The client will read the range soon.</summary>
    Cache = 5,

    /// <summary>Make the range read as zeroes.</summary>
    WriteZeroes = 6,

    /// <summary>Tell what is allocated.</summary>
    BlockStatus = 7,
}
