namespace BlockRepl.Daemon.Configuration;

/// <summary>A place in the configuration file, kept for errors that only show when a disk is looked at.</summary>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column, from 1.</param>
public readonly record struct SourcePosition(int Line, int Column);
