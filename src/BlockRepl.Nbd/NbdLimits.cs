namespace BlockRepl.Nbd;

/// <summary>Named limits for every length that a client chooses (G12, G14).</summary>
public static class NbdLimits
{
    /// <summary>
    /// Longest option data that is looked at. Room for a full name and some hundred context queries; proto.md bounds
    /// names and queries at 4096 bytes.
    /// </summary>
    public const int OptionBytesMax = 64 << 10;

    /// <summary>Longer option data up to here is drained and answered with TOO_BIG; beyond, the client is hung up.</summary>
    public const int OptionDrainedBytesMax = 32 << 20;

    /// <summary>Options of one handshake; a client that asks about every export of a large node stays below.</summary>
    public const int OptionsMax = 4096;

    /// <summary>Longest string, proto.md "Values": 4096 bytes of UTF-8.</summary>
    public const int StringBytesMax = 4096;

    /// <summary>Largest payload of a read or write that is carried out; what BlockRepl announces as maximum block size.</summary>
    public const int PayloadBytesMax = 32 << 20;

    /// <summary>
    /// A write's payload beyond <see cref="PayloadBytesMax"/> up to here is drained and answered with EINVAL, so that a
    /// client which ignores the announced maximum learns its mistake; beyond, it is hung up.
    /// </summary>
    public const int DrainedPayloadBytesMax = 64 << 20;

    /// <summary>Extents of one block status reply; a client asks again for the rest.</summary>
    public const int ExtentsMax = 2048;
}
