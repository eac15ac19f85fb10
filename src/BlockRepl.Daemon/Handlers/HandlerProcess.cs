using System.ComponentModel;
using System.Diagnostics;
using BlockRepl.Core;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Handlers;

/// <summary>
/// One run of a handler's command with <c>/bin/sh -c</c>: no input, its output into the log, killed with its children when its time is over. Programs that it leaves in the background live on.
/// </summary>
internal sealed partial class HandlerProcess(string handler, string resource, TimeSpan timeLimit, ILogger log)
{
    // Enough to explain a failure; a program gone wild must not fill the log or the memory.
    private const int LinesMax = 200;
    private const int LineCharsMax = 1000;

    // Output still in the pipe when the program ends; a child in the background may hold the pipe open for ever.
    private static readonly TimeSpan OutputPatience = TimeSpan.FromMilliseconds(250);

    /// <summary>Runs the command to its end. Returns its exit code, or <see cref="HandlerOutcome.Broken"/> and why. Does not throw.</summary>
    public async Task<(int ExitCode, string Detail)> RunAsync(string command, IReadOnlyDictionary<string, string> environment, CancellationToken stop)
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", command },
            WorkingDirectory = "/",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach ((string key, string value) in environment)
            start.Environment[key] = value;

        // The service manager's socket is the daemon's own.
        start.Environment.Remove("NOTIFY_SOCKET");
        start.Environment.Remove("WATCHDOG_USEC");
        start.Environment.Remove("WATCHDOG_PID");
        try
        {
            using var process = new Process { StartInfo = start };
            process.Start();
            process.StandardInput.Close();
            return await AwaitAsync(process, stop);
        }
        catch (Exception e) when (e is Win32Exception or IOException or InvalidOperationException)
        {
            return (HandlerOutcome.Broken, $"it could not be started: {e.Message}");
        }
    }

    private async Task<(int ExitCode, string Detail)> AwaitAsync(Process process, CancellationToken stop)
    {
        Task output = Task.WhenAll(PumpAsync(process.StandardOutput), PumpAsync(process.StandardError));
        using CancellationTokenRegistration killedAtStop = stop.Register(() => Kill(process));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(timeLimit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            Kill(process);
            return (HandlerOutcome.Broken, stop.IsCancellationRequested
                ? "the daemon is stopping"
                : $"it did not end within {Configuration.Units.Format(timeLimit)} and was killed");
        }

        try
        {
            await output.WaitAsync(OutputPatience, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            LogOutputLeft(log, handler, resource);
        }

        return (process.ExitCode, "");
    }

    private void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It ended by itself meanwhile; or the kernel does not let go of it, and then nobody can.
            LogNotKilled(log, e, handler, resource);
        }
    }

    // Ends with the pipe, or when the process object that owns it is disposed of.
    private async Task PumpAsync(StreamReader reader)
    {
        char[] buffer = new char[LineCharsMax];
        int used = 0;
        int lines = 0;
        try
        {
            while (true)
            {
                int read = await reader.ReadAsync(buffer.AsMemory(used));
                used += read;
                int begin = 0;
                for (int end; (end = Array.IndexOf(buffer, '\n', begin, used - begin)) >= 0; begin = end + 1)
                    Say(buffer.AsSpan(begin, end - begin), ref lines);
                if ((read == 0 || used - begin == buffer.Length) && used > begin)
                {
                    Say(buffer.AsSpan(begin, used - begin), ref lines);
                    begin = used;
                }

                buffer.AsSpan(begin, used - begin).CopyTo(buffer);
                used -= begin;
                if (read == 0)
                    return;
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            LogOutputLost(log, e, handler, resource);
        }
    }

    private void Say(ReadOnlySpan<char> line, ref int lines)
    {
        string text = line.ToString();
        if (lines < LinesMax)
            LogOutput(log, handler, resource, text);
        else if (lines == LinesMax)
            LogOutput(log, handler, resource, "(more output, not logged)");
        lines++;
    }

    [LoggerMessage(EventId = 261, Level = LogLevel.Information, Message = "handler {Handler} of {Resource}: {Line}")]
    private static partial void LogOutput(ILogger logger, string handler, string resource, string line);

    [LoggerMessage(EventId = 262, Level = LogLevel.Debug, Message = "handler {Handler} of {Resource}: the rest of its output is lost")]
    private static partial void LogOutputLost(ILogger logger, Exception why, string handler, string resource);

    [LoggerMessage(EventId = 263, Level = LogLevel.Debug, Message = "handler {Handler} of {Resource} could not be killed")]
    private static partial void LogNotKilled(ILogger logger, Exception why, string handler, string resource);

    [LoggerMessage(EventId = 264, Level = LogLevel.Information, Message = "handler {Handler} of {Resource}: a program that it left in the background holds its output open; what it writes is not logged")]
    private static partial void LogOutputLeft(ILogger logger, string handler, string resource);
}
