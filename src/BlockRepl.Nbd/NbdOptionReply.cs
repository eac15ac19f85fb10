namespace BlockRepl.Nbd;

/// <summary>Reply types of the handshake (proto.md "Option reply types"); the values are the wire's.</summary>
public enum NbdOptionReply : uint
{
    /// <summary>Done; the last reply to an option.</summary>
    Ack = 1,

    /// <summary>One export of LIST.</summary>
    Server = 2,

    /// <summary>One fact of INFO or GO.</summary>
    Info = 3,

    /// <summary>One metadata context.</summary>
    MetaContext = 4,

    /// <summary>The option is not known or not supported.</summary>
    ErrorUnsupported = 1u << 31 | 1,

    /// <summary>Forbidden by configuration.</summary>
    ErrorPolicy = 1u << 31 | 2,

    /// <summary>The option's data is wrong.</summary>
    ErrorInvalid = 1u << 31 | 3,

    /// <summary>The export is not available.</summary>
    ErrorUnknown = 1u << 31 | 6,

    /// <summary>The option's data is longer than <see cref="NbdLimits.OptionBytesMax"/>.</summary>
    ErrorTooBig = 1u << 31 | 9,
}
