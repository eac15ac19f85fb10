using Spectre.Console;

namespace BlockRepl.Cli.Demo;

/// <summary>For a terminal: a check mark a step, and a table that moves while something goes on.</summary>
internal sealed class TerminalView(IAnsiConsole terminal) : DemoView
{
    private const int HistoryMax = 48;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private readonly List<double> _history = [];

    /// <inheritdoc/>
    public override void Title(string title, string explanation)
    {
        terminal.WriteLine();
        terminal.Write(new Rule($"[bold]{Markup.Escape(title)}[/]").LeftJustified());
        terminal.MarkupLine($"[dim]{Markup.Escape(explanation)}[/]");
        terminal.WriteLine();
    }

    /// <inheritdoc/>
    public override Task WatchAsync(string step, DemoBoard board, Task work) =>
        terminal.Live(Picture(step, board.Take())).AutoClear(true).Overflow(VerticalOverflow.Crop).StartAsync(context =>
            TickAsync(Interval, work, () =>
            {
                context.UpdateTarget(Picture(step, board.Take()));
                context.Refresh();
            }));

    /// <inheritdoc/>
    public override void Done(string step, TimeSpan took, IReadOnlyList<string> lines)
    {
        terminal.MarkupLine($" [green]✓[/] [bold]{Markup.Escape(step)}[/] [dim]{DemoText.Seconds(took)}[/]");
        Indent(lines);
    }

    /// <inheritdoc/>
    public override void Failed(string step, IReadOnlyList<string> lines)
    {
        terminal.MarkupLine($" [red]✗[/] [bold]{Markup.Escape(step)}[/]");
        Indent(lines);
    }

    /// <inheritdoc/>
    public override void Summary(string headline, IReadOnlyList<(string Name, string Value)> facts)
    {
        var grid = new Grid().AddColumn().AddColumn();
        foreach (var (name, value) in facts)
            grid.AddRow(new Markup($"[dim]{Markup.Escape(name)}[/]"), new Text(value));
        terminal.WriteLine();
        terminal.Write(new Panel(grid).Header($"[green bold] {Markup.Escape(headline)} [/]").BorderColor(Color.Green).Padding(2, 1));
    }

    /// <inheritdoc/>
    public override void Lines(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
            terminal.WriteLine(line);
    }

    private void Indent(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
            terminal.Write(new Padder(new Text(line), new Padding(5, 0, 0, 0)));
    }

    private Table Picture(string step, DemoPicture picture)
    {
        var table = new Table().Expand().RoundedBorder().BorderColor(Color.Grey).HideHeaders().AddColumn(new TableColumn("").Width(8)).AddColumn("");
        table.Title = new TableTitle(step, new Style(Color.Aqua));
        foreach (var (name, state) in picture.Nodes)
            table.AddRow(new Text(name), new Text(state, new Style(ColourOf(state))));
        if (picture.Load is null)
            return table;
        _history.Add(picture.Load.WritesPerSecond);
        if (_history.Count > HistoryMax)
            _history.RemoveAt(0);
        table.AddRow(new Text("load"), new Text(DemoText.Load(picture.Load)));
        table.AddRow(new Text(""), new Text(Bars(), new Style(Color.Green)));
        table.AddRow(new Text("so far"), new Text($"{DemoText.Count(picture.Load.Writes)} writes acknowledged, {DemoText.Size(picture.Load.Bytes)}"));
        return table;
    }

    /// <summary>Colours by meaning, as in <c>status</c>: green is as it should be, yellow passes, red needs somebody.</summary>
    private static Color ColourOf(string state) =>
        state == "not running" ? Color.Red
        : state.Contains("Connected", StringComparison.Ordinal) && state.EndsWith("Established", StringComparison.Ordinal) ? Color.Green
        : Color.Yellow;

    /// <summary>The rate of the last seconds, the highest being a full bar.</summary>
    private string Bars()
    {
        const string Levels = "▁▂▃▄▅▆▇█";
        var most = Math.Max(_history.Max(), 1);
        return string.Concat(_history.Select(v => Levels[(int)(v / most * (Levels.Length - 1))]));
    }
}
