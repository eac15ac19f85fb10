using System.Globalization;

namespace BlockRepl.Cli.Demo;

/// <summary>Compares the data areas of two disk files byte by byte (G5).</summary>
internal static class DiskComparison
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>
    /// Null when the first <paramref name="bytes"/> bytes are equal, else where the first difference is. Holes read as zeroes.
    /// Throws <see cref="IOException"/> where a file is shorter.
    /// </summary>
    public static string? FirstDifference(string left, string right, long bytes, CancellationToken cancellationToken)
    {
        using var leftFile = File.OpenHandle(left);
        using var rightFile = File.OpenHandle(right);
        var leftBuffer = new byte[ChunkBytes];
        var rightBuffer = new byte[ChunkBytes];
        for (long at = 0; at < bytes; at += ChunkBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var length = (int)Math.Min(ChunkBytes, bytes - at);
            if (RandomAccess.Read(leftFile, leftBuffer.AsSpan(0, length), at) != length
                || RandomAccess.Read(rightFile, rightBuffer.AsSpan(0, length), at) != length)
                throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{left} or {right} ends before its {bytes} bytes of data"));
            var equal = leftBuffer.AsSpan(0, length).CommonPrefixLength(rightBuffer.AsSpan(0, length));
            if (equal < length)
                return string.Create(CultureInfo.InvariantCulture,
                    $"the disks differ first at byte {at + equal} (block {(at + equal) / Primitives.Block.Size}): {leftBuffer[equal]:x2} in {left}, {rightBuffer[equal]:x2} in {right}");
        }
        return null;
    }
}
