using System.Globalization;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Output;

/// <summary>A comparison in words, for a person.</summary>
internal static class VerifyText
{
    private const int RangesMax = 4;

    /// <summary>A line or two about a comparison of <paramref name="name"/> (RESOURCE/VOLUME).</summary>
    public static IEnumerable<string> Lines(VerifyStatus verify, string name)
    {
        long span = Math.Max(1, verify.StopBytes - verify.StartBytes);
        double percent = 100.0 * (verify.PositionBytes - verify.StartBytes) / span;
        string found = verify.DifferentBytes == 0
            ? "no difference"
            : Invariant($"{verify.DifferentBytes} bytes differ") + (verify.RepairedBytes > 0 ? Invariant($", {verify.RepairedBytes} repaired") : "");
        string part = verify.StartBytes > 0 ? Invariant($" from {verify.StartBytes}") : "";
        yield return verify.State switch
        {
            "running" => Invariant($"verify:{percent:F2}% of {verify.StopBytes} bytes{part}, {found}"),
            "repairing" => $"verify: repairing, {found}",
            "done" => Invariant($"verified:{verify.EndedAt:yyyy-MM-dd HH:mm:ss}Z {verify.StopBytes - verify.StartBytes} bytes{part}, {found}"),
            _ => Invariant($"verify stopped:{verify.EndedAt:yyyy-MM-dd HH:mm:ss}Z at {verify.PositionBytes} of {verify.StopBytes} bytes{part}, {found}: {verify.Detail}; to go on: blockrepl verify {name}"),
        };
        if (verify.Ranges.Count > 0)
        {
            string first = string.Join(' ', verify.Ranges.Take(RangesMax).Select(range => Invariant($"{range.OffsetBytes}+{range.LengthBytes}")));
            yield return $"different:{first}{(verify.Ranges.Count > RangesMax ? " ..." : "")}";
        }

        if (verify.State == "done" && verify.DifferentBytes > verify.RepairedBytes)
            yield return $"what would help: blockrepl verify --repair {name}";
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
