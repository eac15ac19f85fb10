namespace BlockRepl.Device;

/// <summary>How a disk is read and written (the key <c>io</c>).</summary>
public enum DeviceIo : byte
{
    /// <summary>Through the page cache, by calls that return when the cache has it.</summary>
    Buffered,

    /// <summary>Past the page cache (<c>O_DIRECT</c>); many requests at once through an io_uring.</summary>
    Direct,
}
