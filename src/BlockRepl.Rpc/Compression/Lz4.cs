using System.Runtime.InteropServices;

namespace BlockRepl.Rpc;

/// <summary>LZ4 blocks through the system's liblz4. Thread-safe; allocates nothing.</summary>
public static unsafe partial class Lz4
{
    private const string Library = "liblz4.so.1";

    /// <summary>Why LZ4 cannot be used on this machine; null if it can.</summary>
    public static string? Unavailable { get; } = Probe();

    /// <summary>Compresses; false when the result would not fit into <paramref name="destination"/>.</summary>
    /// <exception cref="DllNotFoundException">See <see cref="Unavailable"/>.</exception>
    public static bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        fixed (byte* from = source, to = destination)
            written = CompressDefault(from, to, source.Length, destination.Length);
        return written > 0;
    }

    /// <summary>
    /// Decompresses; true only when the block is valid and fills <paramref name="destination"/> exactly. Reads and writes nothing outside of
    /// the spans, whatever the bytes are.
    /// </summary>
    /// <exception cref="DllNotFoundException">See <see cref="Unavailable"/>.</exception>
    public static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        int written;
        fixed (byte* from = source, to = destination)
            written = DecompressSafe(from, to, source.Length, destination.Length);
        return written == destination.Length;
    }

    private static string? Probe()
    {
        try
        {
            _ = VersionNumber();
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return $"{Library} is not installed (Debian: apt-get install liblz4-1); compression is not available";
        }
    }

    [LibraryImport(Library, EntryPoint = "LZ4_versionNumber")]
    private static partial int VersionNumber();

    [LibraryImport(Library, EntryPoint = "LZ4_compress_default")]
    private static partial int CompressDefault(byte* source, byte* destination, int sourceLength, int destinationLength);

    [LibraryImport(Library, EntryPoint = "LZ4_decompress_safe")]
    private static partial int DecompressSafe(byte* source, byte* destination, int sourceLength, int destinationLength);
}
