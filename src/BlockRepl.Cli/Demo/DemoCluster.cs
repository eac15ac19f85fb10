using System.Net;
using System.Net.Sockets;

namespace BlockRepl.Cli.Demo;

/// <summary>
/// Two nodes in a temporary directory. Owns the directory and both daemons; disposing ends and removes them, unless
/// <see cref="Keep"/> was called.
/// </summary>
internal sealed class DemoCluster : IDisposable
{
    /// <summary>The resource.</summary>
    public const string Resource = "demo";

    /// <summary>The volume, as exported.</summary>
    public const string Export = Resource + "/data";

    private readonly CliServices _services;
    private readonly bool _keepDirectory;
    private bool _kept;

    /// <summary>Makes the directory and both configuration files; nothing runs yet.</summary>
    public DemoCluster(CliServices services, bool keepDirectory)
    {
        (_services, _keepDirectory) = (services, keepDirectory);
        Directory = System.IO.Directory.CreateTempSubdirectory("blockrepl-demo-").FullName;
        Alpha = CreateNode("alpha");
        Beta = CreateNode("beta");
        var (alphaPort, betaPort) = FreePorts();
        foreach (var node in Nodes)
            File.WriteAllText(node.ConfigurationFile, Configuration(node.Name, alphaPort, betaPort));
    }

    /// <summary>Everything is in here.</summary>
    public string Directory { get; }

    /// <summary>Where the certificates are.</summary>
    public string CertificateDirectory => Path.Combine(Directory, "tls");

    /// <summary>The first node.</summary>
    public DemoNode Alpha { get; }

    /// <summary>The second node.</summary>
    public DemoNode Beta { get; }

    /// <summary>Both.</summary>
    public IReadOnlyList<DemoNode> Nodes => [Alpha, Beta];

    /// <summary>
    /// Carries out a verb as the command line does, as if typed on <paramref name="node"/> (null: on none of them). Throws
    /// <see cref="DemoFailureException"/> with its refusal where its exit status is not 0.
    /// </summary>
    public async Task VerbAsync(DemoNode? node, string[] words, CancellationToken cancellationToken)
    {
        var output = new StringWriter();
        var console = new CliConsole
        {
            Out = output,
            Error = output,
            Environment = variable => (variable, node) switch
            {
                ("BLOCKREPL_CONFIG", not null) => node.ConfigurationFile,
                ("BLOCKREPL_NODE", not null) => node.Name,
                ("BLOCKREPL_RUN_DIR", not null) => node.RunDirectory,
                _ => null,
            },
        };
        // A verb blocks its thread while it waits for the daemon.
        var code = await Task.Run(() => CliApplication.RunAsync(words, console, _services, cancellationToken), CancellationToken.None);
        cancellationToken.ThrowIfCancellationRequested();
        if (code != 0)
            throw new DemoFailureException($"\"blockrepl {string.Join(' ', words)}\"{(node is null ? "" : $" on {node.Name}")} ended with {code}: {output.ToString().Trim()}");
    }

    /// <summary>Leaves everything as it is.</summary>
    public void Keep() => _kept = true;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var node in Nodes)
        {
            if (_kept)
                node.Release();
            else
                node.Dispose();
        }
        if (!_kept && !_keepDirectory)
            System.IO.Directory.Delete(Directory, recursive: true);
    }

    private DemoNode CreateNode(string name)
    {
        var directory = Path.Combine(Directory, name);
        System.IO.Directory.CreateDirectory(directory);
        return new DemoNode(name, directory, Resource);
    }

    private string Configuration(string node, int alphaPort, int betaPort) => $$"""
        # Written by "blockrepl demo". Two nodes on one machine; in real life this file is the same on both.
        nodes:
          alpha: { address: "127.0.0.1:{{alphaPort}}" }
          beta:  { address: "127.0.0.1:{{betaPort}}" }
        tls: { ca: "{{CertificateDirectory}}/ca.pem", cert: "{{CertificateDirectory}}/{{node}}.pem", key: "{{CertificateDirectory}}/{{node}}.key" }
        resources:
          {{Resource}}:
            protocol: C
            volumes:
              data: { disk: { alpha: "{{Alpha.DiskFile}}", beta: "{{Beta.DiskFile}}" }, size: 1GiB }

        """;

    /// <summary>Two ports that nobody listens on now; both are held until both are known, so that they differ.</summary>
    private static (int Alpha, int Beta) FreePorts()
    {
        using var alpha = new TcpListener(IPAddress.Loopback, 0);
        using var beta = new TcpListener(IPAddress.Loopback, 0);
        alpha.Start();
        beta.Start();
        return (((IPEndPoint)alpha.LocalEndpoint).Port, ((IPEndPoint)beta.LocalEndpoint).Port);
    }
}
