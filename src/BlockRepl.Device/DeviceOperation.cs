namespace BlockRepl.Device;

/// <summary>The kinds of call that a device takes.</summary>
[Flags]
public enum DeviceOperation
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary><see cref="IBlockDevice.Read"/>.</summary>
    Read = 1,

    /// <summary><see cref="IBlockDevice.Write"/>, forced or not.</summary>
    Write = 2,

    /// <summary><see cref="IBlockDevice.Flush"/>.</summary>
    Flush = 4,

    /// <summary><see cref="IBlockDevice.Discard"/>.</summary>
    Discard = 8,

    /// <summary><see cref="IBlockDevice.WriteZeroes"/>.</summary>
    WriteZeroes = 16,

    /// <summary>Everything that changes content.</summary>
    AnyChange = Write | Discard | WriteZeroes,

    /// <summary>Everything.</summary>
    All = Read | Write | Flush | Discard | WriteZeroes,
}
