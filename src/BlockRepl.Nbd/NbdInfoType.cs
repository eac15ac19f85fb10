namespace BlockRepl.Nbd;

/// <summary>Facts that INFO and GO carry (proto.md "NBD_INFO_*"); the values are the wire's.</summary>
public enum NbdInfoType : ushort
{
    /// <summary>Size and transmission flags; always sent.</summary>
    Export = 0,

    /// <summary>The export's canonical name; sent on request.</summary>
    Name = 1,

    /// <summary>A line for people; sent on request where there is one.</summary>
    Description = 2,

    /// <summary>Minimum, preferred and maximum sizes; always sent.</summary>
    BlockSize = 3,
}
