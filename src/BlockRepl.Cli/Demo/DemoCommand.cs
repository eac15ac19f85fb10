using System.CommandLine;
using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using BlockRepl.Cli.Commands;
using BlockRepl.Daemon.Control;
using Spectre.Console;

namespace BlockRepl.Cli.Demo;

/// <summary><c>demo</c>: two nodes on this machine, work, a kill, a promotion, and the proof that nothing was lost.</summary>
internal static class DemoCommand
{
    private const int SecondsDefault = 8;
    private const int SecondsMax = 600;
    private const int LogLines = 12;

    /// <summary>Creates the verb.</summary>
    public static Command Create(CliConsole console)
    {
        var keep = NameArgument.Flag("--keep", "Leave both nodes running at the end, and print how to look at them");
        var seconds = new Option<int>("--seconds")
        {
            Description = $"How long the write load runs before the kill ({SecondsDefault})",
            HelpName = "N",
            DefaultValueFactory = _ => SecondsDefault,
        };
        seconds.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && value is < 1 or > SecondsMax)
                result.AddError($"--seconds: {value} is not between 1 and {SecondsMax}");
        });
        var command = new Command("demo", "Two nodes on this machine, a write load, a kill, a promotion, and the proof that nothing was lost")
        {
            keep, seconds,
        };
        command.SetAction((parse, cancellationToken) =>
            RunAsync(console, parse.GetValue(keep), TimeSpan.FromSeconds(parse.GetValue(seconds)), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CliConsole console, bool keep, TimeSpan loadTime, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        var seed = (ulong)RandomNumberGenerator.GetInt32(int.MaxValue);
        var view = CreateView(console);
        view.Title("BlockRepl: two nodes, a kill, and nothing lost",
            $"alpha and beta run on this machine and hold the same volume; seed of the load: {seed}");
        using var signals = new DemoSignals(cancellationToken);
        using var cluster = new DemoCluster(ProcessServices.Create(), keep);
        var run = new DemoRun(cluster, view, loadTime, seed);
        try
        {
            await run.RunAsync(keep, signals.Token);
            view.Summary("Every acknowledged write survived", run.Facts.Lines(Stopwatch.GetElapsedTime(start)));
            if (keep)
                Keep(cluster, view);
            return ExitCodes.Done;
        }
        catch (OperationCanceledException) when (signals.Token.IsCancellationRequested)
        {
            view.Failed(run.Step, ["interrupted: ending both daemons" + (keep ? $"; the files stay in {cluster.Directory}" : " and removing the files")]);
            return ExitCodes.Failed;
        }
        catch (Exception e) when (e is DemoFailureException or CliRefusalException or IOException or SocketException or TimeoutException)
        {
            view.Failed(run.Step, [.. e.Message.Split('\n'), $"seed of the load: {seed}"]);
            foreach (var node in cluster.Nodes)
                ShowLog(node, view);
            if (keep)
                Keep(cluster, view);
            else
                view.Lines(["", "blockrepl demo --keep leaves everything as it is when it fails"]);
            return ExitCodes.Failed;
        }
    }

    private static DemoView CreateView(CliConsole console)
    {
        if (!console.IsTerminal)
            return new PlainView(console.Out);
        return new TerminalView(AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(console.Out),
            Ansi = AnsiSupport.Yes,
            Interactive = InteractionSupport.Yes,
            ColorSystem = console.Environment("NO_COLOR") is { Length: > 0 } ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
        }));
    }

    private static void ShowLog(DemoNode node, DemoView view)
    {
        if (File.Exists(node.LogFile))
            view.Lines(["", $"the last lines of {node.Name}'s log:", .. File.ReadLines(node.LogFile).TakeLast(LogLines).Select(l => "  " + l)]);
    }

    private static void Keep(DemoCluster cluster, DemoView view)
    {
        cluster.Keep();
        var lines = new List<string> { "", $"Kept: {cluster.Directory}" };
        foreach (var node in cluster.Nodes)
        {
            lines.Add("");
            lines.Add($"{node.Name}: {(node.ProcessId is { } pid ? $"process {pid}" : "no process")}, log {node.LogFile}");
            lines.Add($"  export BLOCKREPL_NODE={node.Name} BLOCKREPL_CONFIG={node.ConfigurationFile} BLOCKREPL_RUN_DIR={node.RunDirectory}");
            lines.Add($"  nbd+unix:///{DemoCluster.Export}?socket={node.NbdSocket}");
        }
        var program = string.Join(' ', OwnExecutable.Words());
        lines.AddRange(
        [
            "",
            "Look further, after one of the export lines above:",
            $"  {program} status --watch",
            $"  {program} events",
            $"  nbdinfo 'nbd+unix:///{DemoCluster.Export}?socket={cluster.Beta.NbdSocket}'    (served by the Primary alone)",
            $"  {program} secondary {DemoCluster.Resource}    on beta, then primary {DemoCluster.Resource} on alpha: the roles change",
            "",
            "End it:",
            $"  kill {string.Join(' ', cluster.Nodes.Where(n => n.ProcessId is not null).Select(n => n.ProcessId))}; rm -r {cluster.Directory}",
        ]);
        view.Lines(lines);
    }
}
