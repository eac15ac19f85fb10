namespace BlockRepl.Format;

/// <summary>One run of blocks in a save file's index.</summary>
/// <param name="Offset">First byte in the volume, a multiple of 4096.</param>
/// <param name="Length">Bytes.</param>
/// <param name="FileOffset">Where its data stand in the file; 0 if it is all zeroes.</param>
/// <param name="Crc">CRC-32C of the data; 0 if it is all zeroes.</param>
public readonly record struct SaveFileRun(long Offset, long Length, long FileOffset, uint Crc)
{
    /// <summary>The run is all zeroes and takes no room.</summary>
    public bool IsZeroes => FileOffset == 0;

    /// <summary>First byte behind the run.</summary>
    public long End => Offset + Length;
}
