namespace BlockRepl.Nbd;

/// <summary>Flags of a request (proto.md "Command flags"); the values are the wire's.</summary>
[Flags]
public enum NbdCommandFlags : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>FUA: answer only when this change is stable. Legal on every command where negotiated.</summary>
    ForceUnitAccess = 1 << 0,

    /// <summary>NO_HOLE on WRITE_ZEROES: keep the range allocated.</summary>
    NoHole = 1 << 1,

    /// <summary>DF on READ: answer in one data chunk or with EOVERFLOW.</summary>
    DontFragment = 1 << 2,

    /// <summary>REQ_ONE on BLOCK_STATUS: answer with one extent, not beyond the request.</summary>
    RequestOne = 1 << 3,

    /// <summary>FAST_ZERO on WRITE_ZEROES: fail with ENOTSUP where it would be as slow as writing.</summary>
    FastZero = 1 << 4,
}
