using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>What both nodes have changed on a volume since they were last in sync, as the last handshake found it: a split brain's extent.</summary>
/// <param name="ChangedHereBlocks">Blocks that this node changed.</param>
/// <param name="SinceHereMs">When this node went on alone, in milliseconds since 1970 (UTC) by its own clock; 0 if its metadata does not know.</param>
/// <param name="ChangedThereBlocks">Blocks that the peer changed.</param>
/// <param name="SinceThereMs">When the peer went on alone, by its own clock; 0 if it did not say.</param>
public sealed record Divergence(long ChangedHereBlocks, long SinceHereMs, long ChangedThereBlocks, long SinceThereMs)
{
    /// <summary>The extent in words.</summary>
    public string Describe(string here, string there) =>
        $"changed since: {Side(ChangedHereBlocks, SinceHereMs, here)}, {Side(ChangedThereBlocks, SinceThereMs, there)}";

    private static string Side(long blocks, long sinceMs, string node)
    {
        string since = sinceMs > 0
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $" since {DateTimeOffset.FromUnixTimeMilliseconds(sinceMs):yyyy-MM-dd'T'HH:mm:ss'Z'}")
            : "";
        return $"{blocks * Block.Size} bytes on {node}{since}";
    }
}
