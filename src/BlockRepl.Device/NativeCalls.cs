using System.Runtime.InteropServices;

namespace BlockRepl.Device;

/// <summary>libblockrepl_native; each returns a value of at least 0 or -errno. <see cref="NativeSupport"/> is asked first.</summary>
internal static partial class NativeCalls
{
    private const string Library = "blockrepl_native";

    [LibraryImport(Library, EntryPoint = "br_abi_version")]
    public static partial int AbiVersion();

    [LibraryImport(Library, EntryPoint = "br_uring_probe")]
    public static partial int UringProbe();

    [LibraryImport(Library, EntryPoint = "br_set_io_flusher")]
    public static partial int SetIoFlusher(int on);

    [LibraryImport(Library, EntryPoint = "br_is_io_flusher")]
    public static partial int IsIoFlusher();

    [LibraryImport(Library, EntryPoint = "br_lock_memory")]
    public static partial int LockMemory();
}
