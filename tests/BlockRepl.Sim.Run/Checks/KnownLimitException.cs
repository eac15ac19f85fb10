namespace BlockRepl.Sim.Run;

/// <summary>The run has come to a point where the engine is known not to go on as it should (docs/STATUS.md): it ends here, and is counted.</summary>
internal sealed class KnownLimitException(string what) : Exception(what);
