using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>
/// The calls of libc that buffered I/O is made of. Nothing here needs libblockrepl_native. Each returns -1 and leaves
/// errno to <see cref="Marshal.GetLastPInvokeError"/>.
/// </summary>
/// <remarks>
/// None of these may suppress the GC transition: they block. The handle is reference-counted over the call, so a
/// concurrent close can never redirect it to another file.
/// </remarks>
internal static unsafe partial class LinuxFile
{
    private const string Libc = "libc";

    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int CloseOnExec = 0x80000;

    public const int PunchHole = 2;
    public const int KeepSize = 1;
    public const int ZeroRange = 0x10;

    public const int SeekData = 3;
    public const int SeekHole = 4;

    public const int LockExclusive = 2;
    public const int LockNonBlocking = 4;

    /// <summary>RWF_DSYNC: this write alone is stable when it returns.</summary>
    public const int WriteDataSync = 2;

    /// <summary>AT_EMPTY_PATH: the descriptor itself is meant.</summary>
    public const int EmptyPath = 0x1000;

    /// <summary>AT_FDCWD.</summary>
    public const int CurrentDirectory = -100;

    /// <summary>STATX_BASIC_STATS.</summary>
    public const uint BasicStats = 0x7ff;

    public const int FileTypeMask = 0xF000;
    public const int FileTypeRegular = 0x8000;
    public const int FileTypeBlock = 0x6000;

    /// <summary>BLKGETSIZE64 as x86-64 and arm64 number it.</summary>
    public const uint GetBlockDeviceBytes = 0x80081272;

    /// <summary>BLKROGET.</summary>
    public const uint GetReadOnly = 0x125E;

    /// <summary>BLKSSZGET.</summary>
    public const uint GetLogicalBlockBytes = 0x1268;

    /// <summary>SYNC_FILE_RANGE_WRITE: start write-back of dirty pages that are not under it yet.</summary>
    public const uint SyncRangeWrite = 2;

    /// <summary>POSIX_FADV_RANDOM: no read-ahead.</summary>
    public const int AdviseRandom = 1;

    /// <summary>POSIX_FADV_DONTNEED: drops clean pages of the page cache.</summary>
    public const int AdviseDontNeed = 4;

    /// <summary>POSIX_FADV_WILLNEED: read into the page cache; does not wait for it.</summary>
    public const int AdviseWillNeed = 3;

    [LibraryImport(Libc, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, int mode);

    [LibraryImport(Libc, EntryPoint = "pread", SetLastError = true)]
    public static partial nint ReadAt(SafeFileHandle file, byte* buffer, nint length, long offset);

    [LibraryImport(Libc, EntryPoint = "pwrite", SetLastError = true)]
    public static partial nint WriteAt(SafeFileHandle file, byte* buffer, nint length, long offset);

    [LibraryImport(Libc, EntryPoint = "pwritev2", SetLastError = true)]
    public static partial nint WriteVectorAt(SafeFileHandle file, IoVector* vectors, int count, long offset, int flags);

    [LibraryImport(Libc, EntryPoint = "sync_file_range", SetLastError = true)]
    public static partial int SyncRange(SafeFileHandle file, long offset, long length, uint flags);

    /// <summary>Returns an error number rather than setting it, unlike the others.</summary>
    [LibraryImport(Libc, EntryPoint = "posix_fadvise")]
    public static partial int Advise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport(Libc, EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int DataSync(SafeFileHandle file);

    [LibraryImport(Libc, EntryPoint = "fsync", SetLastError = true)]
    public static partial int Sync(SafeFileHandle file);

    [LibraryImport(Libc, EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int Truncate(SafeFileHandle file, long length);

    [LibraryImport(Libc, EntryPoint = "fallocate", SetLastError = true)]
    public static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport(Libc, EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport(Libc, EntryPoint = "flock", SetLastError = true)]
    public static partial int Lock(SafeFileHandle file, int operation);

    [LibraryImport(Libc, EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport(Libc, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatPath(int directory, string path, int flags, uint mask, Status* status);

    [LibraryImport(Libc, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatFile(SafeFileHandle file, string path, int flags, uint mask, Status* status);

    [LibraryImport(Libc, EntryPoint = "eventfd", SetLastError = true)]
    public static partial int EventCounter(uint initial, int flags);

    [LibraryImport(Libc, EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(SafeFileHandle file, void* bytes, nint count);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct statx, the same on every architecture (statx(2)); only what is used has a name.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Status
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(128)]
        public uint DeviceMajor;

        [FieldOffset(132)]
        public uint DeviceMinor;

        [FieldOffset(136)]
        public uint ContainerMajor;

        [FieldOffset(140)]
        public uint ContainerMinor;
    }
}
