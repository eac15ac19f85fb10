namespace BlockRepl.Cli.Demo;

/// <summary>The numbers that the summary tells. Filled by <see cref="DemoRun"/> as it goes.</summary>
internal sealed class DemoFacts
{
    /// <summary>Bytes of the volume.</summary>
    public long VolumeBytes { get; set; }

    /// <summary>The load until the kill.</summary>
    public LoadFigures? BeforeKill { get; set; }

    /// <summary>The load after the promotion.</summary>
    public LoadFigures? AfterKill { get; set; }

    /// <summary>From the kill to the first acknowledged write on the other node.</summary>
    public TimeSpan Outage { get; set; }

    /// <summary>Blocks checked by content, both checks together.</summary>
    public long BlocksChecked { get; set; }

    /// <summary>Bytes that the old Primary was sent when it came back.</summary>
    public long ResyncedBytes { get; set; }

    /// <summary>Bytes found equal on both disks.</summary>
    public long ComparedBytes { get; set; }

    /// <summary>Names and values for people.</summary>
    public IReadOnlyList<(string Name, string Value)> Lines(TimeSpan total) =>
    [
        ("Writes acknowledged before the kill", DemoText.Count(BeforeKill!.Writes)),
        ("From kill -9 to serving again", DemoText.Seconds(Outage)),
        ("Writes acknowledged after it", DemoText.Count(AfterKill!.Writes)),
        ("Blocks checked by content", DemoText.Count(BlocksChecked)),
        ("Resynced when the old Primary came back", $"{DemoText.Size(ResyncedBytes)} of {DemoText.Size(VolumeBytes)}"),
        ("Compared byte by byte at the end", $"{DemoText.Count(ComparedBytes)} bytes, all equal"),
        ("Time", DemoText.Seconds(total)),
    ];
}
