namespace BlockRepl.Cli.Demo;

/// <summary>How to start this same program again.</summary>
internal static class OwnExecutable
{
    /// <summary>The words that start it: the executable alone, or the runtime's host and the assembly.</summary>
    public static IReadOnlyList<string> Words()
    {
        var program = Environment.ProcessPath ?? throw new DemoFailureException("the path of this executable is not known");
        return Path.GetFileNameWithoutExtension(program) == "dotnet"
            ? [program, Path.GetFullPath(Environment.GetCommandLineArgs()[0])]
            : [program];
    }
}
