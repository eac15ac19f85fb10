using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata;
using BlockRepl.Daemon.Replication;

namespace BlockRepl.Cli;

/// <summary>What the verbs of the real executable work with.</summary>
internal static class ProcessServices
{
    public static CliServices Create() => new()
    {
        CreateTarget = context => new NodeRuntime(context),
        CreateMetadataTool = () => new VolumeMetadataTool(() => new SystemChance().NextUInt64()),
        CreateCertificateIssuer = () => new CertificateIssuer(),
        PrepareDaemonProcess = BlockServerProcess.Prepare,
        MoreCommands = [Demo.DemoCommand.Create, Commands.SavedCommand.Create],
    };
}
