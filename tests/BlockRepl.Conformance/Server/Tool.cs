using System.Diagnostics;

namespace BlockRepl.Conformance.Server;

/// <summary>Runs a program that others wrote. A missing one is a failure.</summary>
internal static class Tool
{
    public static string Run(string program, params string[] arguments) => Run(program, null, arguments);

    public static string Run(string program, string? input, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException(program);
        process.StandardInput.Write(input ?? "");
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(60_000))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)}");
        }

#pragma warning disable VSTHRD002 // The process has ended, so both are about to.
        string said = output.Result + error.Result;
#pragma warning restore VSTHRD002
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{said}");
        return said;
    }
}
