using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>libblockrepl_native; each returns a value of at least 0 or -errno. <see cref="NativeSupport"/> is asked first.</summary>
internal static unsafe partial class NativeCalls
{
    private const string Library = "blockrepl_native";

    [LibraryImport(Library, EntryPoint = "br_abi_version")]
    public static partial int AbiVersion();

    [LibraryImport(Library, EntryPoint = "br_uring_probe")]
    public static partial int UringProbe();

    /// <summary>BR_RING_SINGLE_THREAD.</summary>
    public const uint SingleThread = 1;

    [LibraryImport(Library, EntryPoint = "br_ring_create")]
    public static partial int RingCreate(uint entries, uint flags, nint* ring);

    [LibraryImport(Library, EntryPoint = "br_ring_submit")]
    public static partial int RingSubmit(nint ring, RingRequest* requests, uint count);

    [LibraryImport(Library, EntryPoint = "br_ring_reap")]
    public static partial int RingReap(nint ring, RingCompletion* completions, uint maxCount, uint minCount);

    [LibraryImport(Library, EntryPoint = "br_ring_pending")]
    public static partial int RingPending(nint ring);

    [LibraryImport(Library, EntryPoint = "br_ring_destroy")]
    public static partial int RingDestroy(nint ring);

    [LibraryImport(Library, EntryPoint = "br_open_direct", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int OpenDirect(string path, int exclusive);

    [LibraryImport(Library, EntryPoint = "br_direct_limits")]
    public static partial int GetDirectLimits(SafeFileHandle file, DirectLimits* limits);

    [LibraryImport(Library, EntryPoint = "br_set_io_flusher")]
    public static partial int SetIoFlusher(int on);

    [LibraryImport(Library, EntryPoint = "br_is_io_flusher")]
    public static partial int IsIoFlusher();

    [LibraryImport(Library, EntryPoint = "br_lock_memory")]
    public static partial int LockMemory();

    /// <summary>struct br_direct_limits.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct DirectLimits
    {
        public uint Memory;
        public uint Offset;
    }

    /// <summary>struct br_request.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct RingRequest
    {
        public const uint Read = 1;
        public const uint Write = 2;

        public ulong UserData;
        public ulong Offset;
        public void* Address;
        public ulong Length;
        public int File;
        public uint Opcode;
        public uint Flags;
        public uint Reserved;
    }

    /// <summary>struct br_completion.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct RingCompletion
    {
        public ulong UserData;
        public int Result;
        public uint Reserved;
    }
}
