namespace BlockRepl.Nbd;

/// <summary>What an export can do (proto.md "Transmission flags"); the values are the wire's.</summary>
[Flags]
public enum NbdTransmissionFlags : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Must be set for the others to count.</summary>
    HasFlags = 1 << 0,

    /// <summary>Changes are refused with EPERM.</summary>
    ReadOnly = 1 << 1,

    /// <summary>FLUSH is understood.</summary>
    SendFlush = 1 << 2,

    /// <summary>FUA is understood.</summary>
    SendForceUnitAccess = 1 << 3,

    /// <summary>A rotating disk: order requests.</summary>
    Rotational = 1 << 4,

    /// <summary>TRIM is understood.</summary>
    SendTrim = 1 << 5,

    /// <summary>WRITE_ZEROES is understood.</summary>
    SendWriteZeroes = 1 << 6,

    /// <summary>DF is understood; goes to clients with structured replies only.</summary>
    SendDontFragment = 1 << 7,

    /// <summary>A FLUSH on one connection covers what was answered on every other.</summary>
    CanMultiConnection = 1 << 8,

    /// <summary>CACHE is understood.</summary>
    SendCache = 1 << 10,

    /// <summary>FAST_ZERO is understood.</summary>
    SendFastZero = 1 << 11,

    /// <summary>All that BlockRepl's server side can carry for a writable volume.</summary>
    Volume = HasFlags | SendFlush | SendForceUnitAccess | SendTrim | SendWriteZeroes | SendDontFragment
        | CanMultiConnection | SendCache | SendFastZero,
}
