namespace BlockRepl.Crash.Recording;

/// <summary>What a disk was told.</summary>
internal enum DiskCallKind : byte
{
    Write,
    Zeroes,
    Flush,
    Extend,
}
