using System.CommandLine;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>What the verbs call on, made only when a verb needs it: most verbs only talk to the daemon and must start fast.</summary>
public sealed record CliServices
{
    /// <summary>Makes the resources of a daemon, for <c>daemon</c>.</summary>
    public required Func<DaemonContext, IControlTarget> CreateTarget { get; init; }

    /// <summary>Makes what works on metadata, for <c>create-md</c> and <c>wipe-md</c>.</summary>
    public required Func<IVolumeMetadataTool> CreateMetadataTool { get; init; }

    /// <summary>Makes the certificate authority, for <c>certs</c>.</summary>
    public required Func<ICertificateIssuer> CreateCertificateIssuer { get; init; }

    /// <summary>Makes this process fit to be the daemon; answers what it lacks, a sentence each. Only the real executable has something to do here.</summary>
    public Func<IReadOnlyList<string>> PrepareDaemonProcess { get; init; } = static () => [];

    /// <summary>Makes verbs that are written elsewhere, such as <c>demo</c>.</summary>
    public IReadOnlyList<Func<CliConsole, Command>> MoreCommands { get; init; } = [];
}
