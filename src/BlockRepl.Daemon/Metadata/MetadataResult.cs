using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata;

/// <summary>How a metadata verb ended.</summary>
/// <param name="Error">Why it did nothing; <see cref="MetadataError.None"/> if it worked.</param>
/// <param name="Message">What was refused and the state that caused it, in a sentence; empty if it worked.</param>
/// <param name="Hint">What would help, in a sentence; empty if it worked.</param>
/// <param name="Disk">What the disk said, for <see cref="MetadataError.DiskFailed"/>.</param>
public sealed record MetadataResult(MetadataError Error, string Message, string Hint, DiskResult Disk = default)
{
    /// <summary>It worked.</summary>
    public static MetadataResult Ok { get; } = new(MetadataError.None, "", "");

    /// <summary>Whether it worked.</summary>
    public bool IsOk => Error == MetadataError.None;
}
