using System.Globalization;

namespace BlockRepl.Device;

/// <summary>
/// Whether libblockrepl_native can be used, and the calls for which the process needs it. Buffered I/O never does; io_uring,
/// O_DIRECT, locked memory and the I/O-flusher flag do, and say so where they are asked for.
/// </summary>
/// <param name="IsAvailable">Whether the library is there and of the version that this program was built for.</param>
/// <param name="Message">Why it cannot be used, in a sentence for the operator; empty if it can.</param>
/// <param name="Uring">What the kernel's io_uring offers; <see cref="UringFeatures.None"/> without the library.</param>
public sealed record NativeSupport(bool IsAvailable, string Message, UringFeatures Uring)
{
    private static readonly Lazy<NativeSupport> ProbedOnce = new(() => Probe(NativeCalls.AbiVersion, NativeCalls.UringProbe));

    /// <summary>The ABI version that this program was built for (blockrepl_native.h, BR_ABI_VERSION).</summary>
    public const int AbiVersion = 3;

    /// <summary>Looked for once and then remembered. Thread-safe.</summary>
    public static NativeSupport Current => ProbedOnce.Value;

    /// <summary>
    /// Marks the calling thread as one that serves block I/O (hard part 23); threads that it starts later and the program that it executes
    /// inherit that, others do not. Zero or a positive errno; ENOSYS without the library, EPERM without CAP_SYS_RESOURCE.
    /// </summary>
    public static int SetIoFlusher() => Current.IsAvailable ? -NativeCalls.SetIoFlusher(1) : Errno.NotImplemented;

    /// <summary>Whether the calling thread is marked so.</summary>
    public static bool IsIoFlusher() => Current.IsAvailable && NativeCalls.IsIoFlusher() == 1;

    /// <summary>Locks the process's memory, now and in future (hard part 23). Zero or a positive errno, as above.</summary>
    public static int LockMemory() => Current.IsAvailable ? -NativeCalls.LockMemory() : Errno.NotImplemented;

    /// <summary>Asks the library, through the given calls, for its version and for io_uring.</summary>
    internal static NativeSupport Probe(Func<int> abiVersion, Func<int> uringProbe)
    {
        int version;
        try
        {
            version = abiVersion();
        }
        catch (DllNotFoundException)
        {
            return Unusable("libblockrepl_native.so is missing beside the program");
        }
        catch (Exception e) when (e is EntryPointNotFoundException or BadImageFormatException)
        {
            return Unusable("libblockrepl_native.so beside the program is not BlockRepl's, or is for another processor");
        }

        if (version != AbiVersion)
        {
            return Unusable(string.Create(
                CultureInfo.InvariantCulture,
                $"libblockrepl_native.so has ABI version {version}, this program needs {AbiVersion}"));
        }

        int features = uringProbe();
        return new NativeSupport(true, "", features < 0 ? UringFeatures.None : (UringFeatures)features);
    }

    private static NativeSupport Unusable(string why) => new(
        false,
        $"{why}: io_uring, direct I/O and locked memory cannot be had; buffered I/O works without it",
        UringFeatures.None);
}
