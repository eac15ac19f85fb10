namespace BlockRepl.Cli.Demo;

/// <summary>What goes on at this moment, for whoever shows it. The run sets it, a view reads it at its own pace.</summary>
/// <param name="nodes">Both nodes.</param>
internal sealed class DemoBoard(IReadOnlyList<DemoNode> nodes)
{
    private LoadMeter? _meter;

    /// <summary>The load that runs; null for none.</summary>
    public LoadMeter? Meter
    {
        get => Volatile.Read(ref _meter);
        set => Volatile.Write(ref _meter, value);
    }

    /// <summary>Takes a picture: asks the daemons, and reads the load since the last picture.</summary>
    public DemoPicture Take()
    {
        var states = new List<(string, string)>();
        foreach (var node in nodes)
        {
            var watch = node.Watch;
            watch?.Refresh();
            states.Add((node.Name, DemoText.State(watch?.Status)));
        }
        return new DemoPicture(states, Meter?.Window());
    }
}
