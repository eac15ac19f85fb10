namespace BlockRepl.Crash.Checks;

/// <summary>A promise that a cut showed to be broken.</summary>
internal sealed class CrashFinding(string promise, string what) : Exception($"{promise}: {what}")
{
    public string Promise => promise;
}
