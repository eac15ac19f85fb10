using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace BlockRepl.Cli.Demo;

/// <summary>One node: its directory and its daemon, a process of its own. Owns the process until <see cref="Release"/>.</summary>
/// <param name="name">The node's name.</param>
/// <param name="directory">Its directory, which exists.</param>
/// <param name="resource">The resource whose state is followed.</param>
internal sealed partial class DemoNode(string name, string directory, string resource) : IDisposable
{
    private const int SignalTerm = 15;
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);
    private Process? _process;

    /// <summary>The node's name.</summary>
    public string Name => name;

    /// <summary>Its configuration file.</summary>
    public string ConfigurationFile { get; } = Path.Combine(directory, "blockrepl.yaml");

    /// <summary>Where its daemon has its sockets.</summary>
    public string RunDirectory { get; } = Path.Combine(directory, "run");

    /// <summary>The disk of its volume.</summary>
    public string DiskFile { get; } = Path.Combine(directory, "disk.img");

    /// <summary>What its daemon says.</summary>
    public string LogFile { get; } = Path.Combine(directory, "daemon.log");

    /// <summary>The way to its daemon.</summary>
    public ControlClient Client { get; } = new(Daemon.Control.RunDirectory.ControlSocketIn(Path.Combine(directory, "run")));

    /// <summary>Where its volumes are exported.</summary>
    public string NbdSocket => Daemon.Control.RunDirectory.NbdSocketIn(RunDirectory);

    /// <summary>Process id of the daemon; null while there is none.</summary>
    public int? ProcessId { get; private set; }

    /// <summary>What the daemon tells; null while there is none.</summary>
    public NodeWatch? Watch { get; private set; }

    /// <summary>Starts the daemon and waits until it serves. Throws <see cref="DemoFailureException"/> with its own words where it does not.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(RunDirectory);
        // The daemon tells a service manager when it serves (sd_notify); for this moment the demonstration is one.
        var notifyPath = Path.Combine(directory, "notify.sock");
        using var notify = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        notify.Bind(new UnixDomainSocketEndPoint(notifyPath));
        _process?.Dispose();
        _process = Launch(notifyPath);
        ProcessId = _process.Id;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(StartPatience);
        try
        {
            await WaitForReadyAsync(notify, _process, patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DemoFailureException($"the daemon of {name} does not serve after {StartPatience.TotalSeconds} s");
        }
        finally
        {
            File.Delete(notifyPath);
        }
        Watch = new NodeWatch(Client, resource);
    }

    /// <summary>SIGKILL; ends when the process is gone.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        _process!.Kill();
        await EndedAsync(cancellationToken);
    }

    /// <summary>SIGTERM; ends when the daemon has drained, with its exit status.</summary>
    public async Task<int> TerminateAsync(CancellationToken cancellationToken)
    {
        _ = Signal(_process!.Id, SignalTerm); // fails only when it is gone already, which is what is waited for
        return await EndedAsync(cancellationToken);
    }

    /// <summary>Lets the daemon live on after this program.</summary>
    public void Release()
    {
        StopWatching();
        _process?.Dispose();
        _process = null;
    }

    /// <summary>Kills the daemon where it still runs.</summary>
    public void Dispose()
    {
        if (_process is not null && !_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }
        Release();
        ProcessId = null;
    }

    private static async Task WaitForReadyAsync(Socket notify, Process process, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ended = process.WaitForExitAsync(stop.Token);
        try
        {
            var buffer = new byte[4096];
            while (true)
            {
                var message = notify.ReceiveAsync(buffer, stop.Token).AsTask();
                if (await Task.WhenAny(message, ended) == ended)
                {
                    await ended;
                    throw new DemoFailureException($"a daemon ended with exit status {process.ExitCode} before it served");
                }
                if (Encoding.UTF8.GetString(buffer, 0, await message).Contains("READY=1", StringComparison.Ordinal))
                    return;
            }
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    /// <summary>
    /// In a session of its own, so that Ctrl-C reaches the demonstration alone; and with its output in a file, so that it can live
    /// on. Both words before the daemon's own are replaced by it: the process id stays.
    /// </summary>
    private Process Launch(string notifyPath)
    {
        var start = new ProcessStartInfo("/bin/sh");
        foreach (var word in (string[])["-c", "exec setsid \"$@\" >>\"$0\" 2>&1 </dev/null", LogFile, .. OwnExecutable.Words(), "daemon"])
            start.ArgumentList.Add(word);
        start.Environment["BLOCKREPL_CONFIG"] = ConfigurationFile;
        start.Environment["BLOCKREPL_NODE"] = name;
        start.Environment["BLOCKREPL_RUN_DIR"] = RunDirectory;
        start.Environment["NOTIFY_SOCKET"] = notifyPath;
        // The runtime of a process that is killed leaves its diagnostic sockets: they go with the node's directory.
        start.Environment["TMPDIR"] = directory;
        start.Environment.Remove("WATCHDOG_USEC");
        return Process.Start(start)!;
    }

    private async Task<int> EndedAsync(CancellationToken cancellationToken)
    {
        await _process!.WaitForExitAsync(cancellationToken);
        StopWatching();
        ProcessId = null;
        return _process.ExitCode;
    }

    private void StopWatching()
    {
        Watch?.Dispose();
        Watch = null;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Signal(int processId, int signal);
}
