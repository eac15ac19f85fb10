namespace BlockRepl.Daemon.Configuration;

/// <summary>What reading a configuration gave: the configuration, or every error that it has.</summary>
/// <param name="Configuration">The configuration; null exactly when there are errors.</param>
/// <param name="Errors">All errors in the order of the file.</param>
public sealed record ConfigurationResult(ClusterConfiguration? Configuration, IReadOnlyList<ConfigurationError> Errors);
