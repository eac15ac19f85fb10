using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>Writes zeroes the way that its device writes everything.</summary>
internal interface IZeroWriter
{
    /// <summary>Writes zeroes over the range.</summary>
    DiskResult WriteZeroes(long offset, long length);
}
