using System.CommandLine;
using System.CommandLine.Invocation;
using BlockRepl.Cli.Commands;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>The command <c>blockrepl</c>: parse, carry out, answer with an exit status. Verbs and words are docs/cli.md's.</summary>
public static class CliApplication
{
    /// <summary>Runs one command line. Never throws: a bug is exit status 42 and a message.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, CliConsole console, CliServices services, CancellationToken cancellationToken = default)
    {
        try
        {
            var code = await ParseAndRunAsync(arguments, console, services, cancellationToken);
            await console.Out.FlushAsync(CancellationToken.None);
            return code;
        }
        catch (CliRefusalException refusal)
        {
            Report(console, refusal.Result);
            return refusal.Result.ExitCode;
        }
        catch (DaemonStartException e)
        {
            Report(console, new ControlResult(e.ExitCode, e.Message, e.Hint));
            return e.ExitCode;
        }
        catch (IOException e) when (e.Message == BrokenPipe)
        {
            // Whoever read the answer has what it wanted; as with other programs, that is no success either.
            return ExitCodes.Failed;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Failed;
        }
        catch (Exception e)
        {
            console.Error.WriteLine($"bug: {e}");
            console.Error.WriteLine("please report this, with the command that was given");
            return ExitCodes.Bug;
        }
    }

    /// <summary>libc's text for EPIPE, which is how <see cref="StandardOutput"/> reports a reader that is gone.</summary>
    private const string BrokenPipe = "Broken pipe";

    /// <summary>Writes a refusal: what and why, then what would help.</summary>
    internal static void Report(CliConsole console, ControlResult result)
    {
        console.Out.Flush();
        if (result.Message is not null)
            console.Error.WriteLine(result.Message);
        if (result.Hint is not null)
            console.Error.WriteLine(result.Hint);
    }

    private static async Task<int> ParseAndRunAsync(
        IReadOnlyList<string> arguments, CliConsole console, CliServices services, CancellationToken cancellationToken)
    {
        var root = BuildRoot(console, services);
        // A name may begin with "@"; it is not a file of arguments.
        var parse = root.Parse(ArgumentOrder.VerbsFirst(root, arguments), new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parse.Action is null or ParseErrorAction)
        {
            Report(console, UsageError.Explain(root, parse, arguments));
            return ExitCodes.Usage;
        }
        return await parse.InvokeAsync(new InvocationConfiguration
        {
            Output = console.Out,
            Error = console.Error,
            EnableDefaultExceptionHandler = false,
            // Signals end a verb as they end any program; the daemon drains on them and must not be given a deadline here.
            ProcessTerminationTimeout = null,
        }, cancellationToken);
    }

    private static RootCommand BuildRoot(CliConsole console, CliServices services)
    {
        var root = new RootCommand("Block-level storage replication between two nodes.");
        var global = new GlobalOptions(console);
        global.AddTo(root);
        root.Subcommands.Add(DaemonCommand.Create(global, console, services));
        foreach (var command in MetadataCommands.Create(global, console, services))
            root.Subcommands.Add(command);
        foreach (var command in ResourceCommands.Create(global, console))
            root.Subcommands.Add(command);
        foreach (var command in GenerationCommands.Create(global, console, services))
            root.Subcommands.Add(command);
        root.Subcommands.Add(ResizeCommand.Create(global, console, services));
        root.Subcommands.Add(DeviceCommand.Create(global, console));
        foreach (var command in LookCommands.Create(global, console))
            root.Subcommands.Add(command);
        root.Subcommands.Add(StatusCommand.Create(global, console));
        root.Subcommands.Add(CheckCommand.Create(global, console));
        root.Subcommands.Add(EventsCommand.Create(global, console));
        foreach (var command in WaitCommands.Create(global))
            root.Subcommands.Add(command);
        root.Subcommands.Add(MaintenanceCommand.Create(global, console));
        root.Subcommands.Add(CertsCommand.Create(console, services));
        foreach (var create in services.MoreCommands)
            root.Subcommands.Add(create(console));
        return root;
    }
}
