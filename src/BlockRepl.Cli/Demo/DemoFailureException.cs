namespace BlockRepl.Cli.Demo;

/// <summary>Something that the demonstration shows did not hold, or could not be tried. Caught once, by <see cref="DemoCommand"/>.</summary>
/// <param name="message">What failed, a line or several.</param>
internal sealed class DemoFailureException(string message) : Exception(message);
