using System.CommandLine;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>The options that every verb has, and where their values come from when they are not given.</summary>
public sealed class GlobalOptions(CliConsole console)
{
    private const string ConfigurationFileDefault = "/etc/blockrepl/blockrepl.yaml";
    private const string RunDirectoryDefault = "/run/blockrepl";

    private readonly Option<string?> _config = new("--config")
    {
        Description = $"Configuration file (BLOCKREPL_CONFIG, {ConfigurationFileDefault})",
        HelpName = "FILE",
        Recursive = true,
    };

    private readonly Option<string?> _node = new("--node")
    {
        Description = "This node's name (BLOCKREPL_NODE, the host name)",
        HelpName = "NAME",
        Recursive = true,
    };

    private readonly Option<string?> _runDirectory = new("--run-dir")
    {
        Description = $"Directory of the daemon's sockets (BLOCKREPL_RUN_DIR, {RunDirectoryDefault})",
        HelpName = "DIR",
        Recursive = true,
    };

    /// <summary>Adds the options to the root command.</summary>
    public void AddTo(RootCommand root)
    {
        root.Options.Add(_config);
        root.Options.Add(_node);
        root.Options.Add(_runDirectory);
    }

    /// <summary>The configuration file.</summary>
    public string ConfigurationFile(ParseResult parse) =>
        parse.GetValue(_config) ?? FromEnvironment("BLOCKREPL_CONFIG") ?? ConfigurationFileDefault;

    /// <summary>The node's name where one is given; null is the host's.</summary>
    public string? Node(ParseResult parse) => parse.GetValue(_node) ?? FromEnvironment("BLOCKREPL_NODE");

    /// <summary>The run directory.</summary>
    public string RunDirectory(ParseResult parse) =>
        Path.GetFullPath(parse.GetValue(_runDirectory) ?? FromEnvironment("BLOCKREPL_RUN_DIR") ?? RunDirectoryDefault);

    /// <summary>The way to the daemon.</summary>
    public ControlClient Connect(ParseResult parse) => new(Daemon.Control.RunDirectory.ControlSocketIn(RunDirectory(parse)));

    /// <summary>Reads the configuration and finds this node in it, for verbs that work without a daemon. Refuses with 10.</summary>
    public (ClusterConfiguration Configuration, string Node) Load(ParseResult parse)
    {
        var (configuration, errors) = ConfigurationReader.Read(ConfigurationFile(parse));
        if (configuration is null)
            throw new CliRefusalException(new ControlResult(ExitCodes.ConfigurationOrDaemon, string.Join('\n', errors)));
        var node = HostName.FindNode(configuration, Node(parse), out var refusal);
        return node is not null
            ? (configuration, node)
            : throw new CliRefusalException(new ControlResult(ExitCodes.ConfigurationOrDaemon, refusal, "name this node with --node or BLOCKREPL_NODE"));
    }

    private string? FromEnvironment(string name) => console.Environment(name) is { Length: > 0 } value ? value : null;
}
