namespace BlockRepl.Cli.Demo;

/// <summary>A load in numbers.</summary>
/// <param name="Writes">Writes acknowledged.</param>
/// <param name="Bytes">Bytes of these.</param>
/// <param name="Flushes">Flushes answered.</param>
/// <param name="WritesPerSecond">Rate.</param>
/// <param name="BytesPerSecond">Rate.</param>
/// <param name="MedianMs">Half of the writes were answered within this.</param>
/// <param name="Percentile99Ms">99 of 100 writes were.</param>
internal sealed record LoadFigures(
    long Writes, long Bytes, long Flushes, double WritesPerSecond, double BytesPerSecond, double MedianMs, double Percentile99Ms);
