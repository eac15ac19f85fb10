using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>Connects the verbs with the parts of the product that carry them out.</summary>
internal static class ProcessServices
{
    /// <summary>The services of the executable.</summary>
    public static CliServices Create() => new()
    {
        CreateTarget = _ => throw Missing("the daemon's resources"),
        CreateMetadataTool = () => throw Missing("metadata"),
        CreateCertificateIssuer = () => throw Missing("certificates"),
    };

    private static DaemonStartException Missing(string part) =>
        new(ExitCodes.Failed, $"{part}: this build of blockrepl was made without them", "use a complete build");
}
