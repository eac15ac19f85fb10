namespace BlockRepl.Cli.Demo;

/// <summary>Plain lines, for pipes, logs and other programs: a line or a few a step, and one a second while a load runs.</summary>
internal sealed class PlainView(TextWriter output) : DemoView
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public override void Title(string title, string explanation)
    {
        output.WriteLine(title);
        Lines([explanation, ""]);
    }

    /// <inheritdoc/>
    public override Task WatchAsync(string step, DemoBoard board, Task work) => TickAsync(Interval, work, () =>
    {
        var picture = board.Take();
        if (picture.Load is not null)
            Lines([$"       {DemoText.Load(picture.Load)} | {string.Join(" | ", picture.Nodes.Select(n => $"{n.Name}: {n.State}"))}"]);
    });

    /// <inheritdoc/>
    public override void Done(string step, TimeSpan took, IReadOnlyList<string> lines)
    {
        output.WriteLine($"ok     {step} ({DemoText.Seconds(took)})");
        Lines([.. lines.Select(l => "       " + l)]);
    }

    /// <inheritdoc/>
    public override void Failed(string step, IReadOnlyList<string> lines)
    {
        output.WriteLine($"FAILED {step}");
        Lines([.. lines.Select(l => "       " + l)]);
    }

    /// <inheritdoc/>
    public override void Summary(string headline, IReadOnlyList<(string Name, string Value)> facts)
    {
        output.WriteLine();
        output.WriteLine(headline);
        Lines([.. facts.Select(f => $"  {f.Name.PadRight(facts.Max(x => x.Name.Length))}  {f.Value}")]);
    }

    /// <inheritdoc/>
    public override void Lines(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
            output.WriteLine(line);
        output.Flush();
    }
}
