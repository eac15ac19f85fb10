using System.Diagnostics;

namespace BlockRepl.Device.Tests;

/// <summary>Runs a tool and returns what it printed; a failure of the tool is a failure of the test.</summary>
internal static class Shell
{
    public static string Run(string tool, params string[] arguments)
    {
        (int status, string output) = TryRun(tool, arguments);
        Assert.True(status == 0, $"{tool} {string.Join(' ', arguments)}: {output}");
        return output.Trim();
    }

    public static (int Status, string Output) TryRun(string tool, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(tool, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors);
    }
}
