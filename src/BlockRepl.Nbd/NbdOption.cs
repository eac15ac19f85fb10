namespace BlockRepl.Nbd;

/// <summary>Options of the handshake (proto.md "Option types"); the values are the wire's.</summary>
public enum NbdOption : uint
{
    /// <summary>Old way to choose an export: no error reply, refusal is a hang-up.</summary>
    ExportName = 1,

    /// <summary>The client gives up.</summary>
    Abort = 2,

    /// <summary>Names of the exports.</summary>
    List = 3,

    /// <summary>TLS; not supported yet.</summary>
    StartTls = 5,

    /// <summary>Facts about an export.</summary>
    Info = 6,

    /// <summary>Choose an export and begin transmission.</summary>
    Go = 7,

    /// <summary>Replies in chunks.</summary>
    StructuredReply = 8,

    /// <summary>Names of the metadata contexts.</summary>
    ListMetaContext = 9,

    /// <summary>Choose metadata contexts for BLOCK_STATUS.</summary>
    SetMetaContext = 10,

    /// <summary>64-bit lengths; not supported.</summary>
    ExtendedHeaders = 11,
}
