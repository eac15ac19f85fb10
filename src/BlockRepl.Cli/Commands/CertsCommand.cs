using System.CommandLine;
using BlockRepl.Daemon.Configuration;

namespace BlockRepl.Cli.Commands;

/// <summary><c>certs init</c> and <c>certs node NAME</c>: the cluster's own certificate authority.</summary>
internal static class CertsCommand
{
    private const string DirectoryDefault = "/etc/blockrepl/tls";

    /// <summary>Creates the verb and its two verbs.</summary>
    public static Command Create(CliConsole console, CliServices services)
    {
        var command = new Command("certs", "The cluster's own certificates");
        command.Subcommands.Add(CreateInit(console, services));
        command.Subcommands.Add(CreateNode(console, services));
        return command;
    }

    private static Command CreateInit(CliConsole console, CliServices services)
    {
        var directory = DirectoryOption();
        var init = new Command("init", "Create the certificate authority: ca.pem and ca.key") { directory };
        init.SetAction(parse => ResourceCommands.Print(
            console, [services.CreateCertificateIssuer().InitCa(Path.GetFullPath(parse.GetValue(directory)!))]));
        return init;
    }

    private static Command CreateNode(CliConsole console, CliServices services)
    {
        var directory = DirectoryOption();
        var name = new Argument<string>("NAME") { Description = "The node's name, as in the configuration" };
        name.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && NameRules.Refusal(result.Tokens[0].Value) is { } refusal)
                result.AddError($"node name \"{result.Tokens[0].Value}\" {refusal}");
        });
        var node = new Command("node", "Create a node's certificate and key: NAME.pem and NAME.key") { name, directory };
        node.SetAction(parse => ResourceCommands.Print(console,
            [services.CreateCertificateIssuer().IssueNode(Path.GetFullPath(parse.GetValue(directory)!), parse.GetValue(name)!)]));
        return node;
    }

    private static Option<string> DirectoryOption() => new("--dir")
    {
        Description = $"Directory of the certificates ({DirectoryDefault})",
        HelpName = "DIR",
        DefaultValueFactory = _ => DirectoryDefault,
    };
}
