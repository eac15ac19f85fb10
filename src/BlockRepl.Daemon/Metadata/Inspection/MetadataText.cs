using System.Text;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>A <see cref="MetadataReport"/> for people: in the manner of DRBD's <c>dump-md</c>, and the findings of <c>verify-md</c>.</summary>
internal static class MetadataText
{
    private const int ExtentsPerLine = 12;

    /// <summary>Everything that the metadata says.</summary>
    public static string Dump(MetadataReport report)
    {
        var text = new StringBuilder();
        Line(text, $"# BlockRepl metadata dump: {report.Volume} on {report.Node}");
        Line(text, $"# disk {report.Disk}, metadata {report.MetaDisk ?? "internal"}");
        foreach (string problem in Problems(report))
            Line(text, $"# {problem}");
        for (int copy = 0; copy < report.SuperblockCopies.Count; copy++)
        {
            MetadataReport.SuperblockCopy found = report.SuperblockCopies[copy];
            Line(text, $"# superblock copy {copy} at byte {found.Offset}: {found.State}{(found.WriteSequence > 0 ? $", write {found.WriteSequence}" : "")}{(found.Counts ? ", counts" : "")}");
        }

        if (report.Superblock is { } superblock)
            Superblock(text, superblock);
        foreach (MetadataReport.Peer peer in report.Peers)
            Peer(text, peer);
        if (report.ActivityLog is { } log)
            ActivityLog(text, log);
        return text.ToString().TrimEnd('\n');
    }

    /// <summary>The findings, a line each; none if everything is as it should be.</summary>
    public static IEnumerable<string> Problems(MetadataReport report) =>
        report.Problems.Select(problem => $"{(problem.IsDamage ? "damage" : "warning")}: {problem.Where}: {problem.What}");

    private static void Superblock(StringBuilder text, MetadataReport.SuperblockContent superblock)
    {
        Line(text, "");
        Line(text, $"version {superblock.FormatVersion};");
        Line(text, $"write-sequence {superblock.WriteSequence};");
        Line(text, $"device-id 0x{superblock.DeviceId};");
        Line(text, $"resource \"{superblock.Resource}\"; volume \"{superblock.Volume}\"; node \"{superblock.Node}\";");
        Line(text, $"meta-disk {superblock.Kind};");
        Line(text, $"data-bytes {superblock.DataBytes};");
        Line(text, $"agreed-bytes {superblock.AgreedBytes};{(superblock.AgreedBytes == 0 ? "   # no peer has agreed to a size yet" : "")}");
        Line(text, $"al-extents {superblock.AlExtents}; al-extent-bytes {superblock.AlExtentBytes};");
        Line(text, $"boot-id {superblock.BootId};");
        Line(text, $"flags {Words(superblock.Flags)};");
        Line(text, "uuid {");
        Line(text, $"    current 0x{superblock.Current};");
        Line(text, $"    history{(superblock.History.Count == 0 ? " none" : string.Concat(superblock.History.Select(id => $" 0x{id}")))};");
        Line(text, "}");
    }

    private static void Peer(StringBuilder text, MetadataReport.Peer peer)
    {
        Line(text, $"peer[{peer.Slot}] \"{peer.Name}\" {{");
        Line(text, $"    bitmap-uuid 0x{peer.BitmapGeneration};{(peer.BitmapSince is null ? "" : $"   # since {peer.BitmapSince}")}");
        Line(text, $"    flags {Words(peer.Flags)};");
        Line(text, $"    # {peer.BitmapBlocks} blocks of bitmap, {peer.DamagedBitmapBlocks.Count} not intact; {peer.OutOfSyncBlocks} blocks of data out-of-sync, {peer.OutOfSyncBytes} bytes");
        foreach (MetadataReport.Run run in peer.Runs)
            Line(text, $"    out-of-sync {run.FirstBlock}..{run.FirstBlock + run.Blocks - 1};   # {run.Blocks * Block.Size} bytes from {run.FirstBlock * Block.Size} on");
        Line(text, "}");
    }

    private static void ActivityLog(StringBuilder text, MetadataReport.Log log)
    {
        Line(text, "activity-log {");
        foreach (MetadataReport.LogCopy copy in log.Copies)
            Line(text, $"    # place {copy.Place} copy {copy.Copy} at byte {copy.Offset}: {copy.State}{(copy.Transaction > 0 ? $", transaction {copy.Transaction}" : "")}{(copy.Counts ? ", counts" : "")}");
        Line(text, $"    transaction {log.Transaction};");
        Line(text, $"    # {log.ActiveExtents.Count} active extents: an attach after a crash marks them");
        foreach (uint[] chunk in log.ActiveExtents.Chunk(ExtentsPerLine))
            Line(text, $"    extents {string.Join(' ', chunk)};");
        Line(text, "}");
    }

    private static string Words(IReadOnlyList<string> flags) => flags.Count == 0 ? "none" : string.Join(' ', flags);

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');
}
