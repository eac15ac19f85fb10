using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Tests.Control;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Cli.Tests;

/// <summary>A command line, its output, and a real control service with fake resources behind it.</summary>
internal sealed class Harness : IAsyncDisposable
{
    private readonly ControlServer? _server;

    private Harness(FakeTarget target, ControlServer? server, TemporaryDirectory directory)
    {
        (Target, _server, Directory) = (target, server, directory);
        Environment["BLOCKREPL_RUN_DIR"] = directory.Path;
        Environment["BLOCKREPL_CONFIG"] = directory.File("blockrepl.yaml");
        Environment["BLOCKREPL_NODE"] = "alpha";
        File.WriteAllText(directory.File("blockrepl.yaml"), """
            nodes:
              alpha: { address: "127.0.0.1:7001" }
              beta: { address: "127.0.0.1:7002" }
            tls: off
            resources:
              mail:
                volumes:
                  spool: { disk: { alpha: a/spool.img, beta: b/spool.img }, size: { alpha: 64MiB, beta: 1MiB } }
                  index: { disk: index.img, meta-disk: index.meta }

            """);
    }

    public FakeTarget Target { get; }

    public FakeMetadataTool Metadata { get; } = new();

    public FakeCertificateIssuer Certificates { get; } = new();

    public TemporaryDirectory Directory { get; }

    public Dictionary<string, string> Environment { get; } = [];

    public static Harness WithoutDaemon() => new(new FakeTarget(), null, new TemporaryDirectory());

    public static async Task<Harness> StartAsync(params ResourceStatus[] resources)
    {
        var directory = new TemporaryDirectory();
        var target = new FakeTarget(resources);
        var server = await ControlServer.StartAsync(
            RunDirectory.ControlSocketIn(directory.Path), target, target.Events, NullLoggerFactory.Instance, CancellationToken.None);
        return new Harness(target, server, directory);
    }

    /// <summary>Runs a command line to its end, which is not far.</summary>
    public Task<(int Code, string Out, string Error)> RunAsync(params string[] arguments) =>
        RunAsync(new StringWriter(), isTerminal: false, arguments).WaitAsync(TimeSpan.FromSeconds(60));

    public async Task<(int Code, string Out, string Error)> RunAsync(
        TextWriter output, bool isTerminal, string[] arguments, CancellationToken cancellationToken = default)
    {
        var error = new StringWriter();
        var console = new CliConsole
        {
            Out = output,
            Error = error,
            IsTerminal = isTerminal,
            Environment = name => Environment.GetValueOrDefault(name),
        };
        var services = new CliServices
        {
            CreateTarget = _ => Target,
            CreateMetadataTool = () => Metadata,
            CreateCertificateIssuer = () => Certificates,
        };
        // A verb blocks its thread while it waits for the daemon.
        var code = await Task.Run(() => CliApplication.RunAsync(arguments, console, services, cancellationToken), CancellationToken.None);
        return (code, output.ToString()!, error.ToString());
    }

    public async Task StopServerAsync() => await _server!.StopAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        Directory.Dispose();
    }
}
