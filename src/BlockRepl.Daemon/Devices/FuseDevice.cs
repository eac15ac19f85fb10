using System.ComponentModel;
using System.Diagnostics;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// A loop device over a file that <c>nbdfuse</c> shows: for kernels without an NBD client. nbdfuse is an NBD client like any other and does not come back when its connection is lost: the device's I/O fails when
/// the daemon ends, and it must be detached and attached anew.
/// </summary>
internal sealed class FuseDevice : VolumeDevice
{
    private static readonly TimeSpan ToolPatience = TimeSpan.FromSeconds(20);

    private const int LoopLetsGoMs = 10_000;

    private readonly ILogger _log;
    private readonly Process? _server;

    private FuseDevice(DeviceRecord record, DeviceUsers users, ILogger log, Process? server)
        : base(record, users)
    {
        _log = log;
        _server = server;
        SetState(DeviceState.Connected, null);
    }

    /// <summary>One that an earlier daemon left behind.</summary>
    public static FuseDevice Left(DeviceRecord record, DeviceUsers users, ILogger log)
    {
        var device = new FuseDevice(record, users, log, null);
        device.SetState(DeviceState.Broken, "the daemon that it was attached to has ended");
        return device;
    }

    /// <summary>Attaches a volume. Answers the device, or a refusal.</summary>
    public static async Task<(FuseDevice? Device, ControlResult? Refusal)> AttachAsync(
        string volume, string nbdSocket, string runDirectory, DeviceUsers users, ILogger log)
    {
        string mountpoint = System.IO.Path.Combine(runDirectory, "fuse", volume);
        string ready = mountpoint + ".pid";
        string shown = System.IO.Path.Combine(mountpoint, "volume");
        if (IsMounted(mountpoint))
            await RunAsync("fusermount3", "-u", "-z", mountpoint);
        Directory.CreateDirectory(mountpoint);
        File.Delete(ready);
        Process server;
        try
        {
            // Its own session is not needed: it ends with its mount. Output goes to the daemon's log.
            server = Process.Start(new ProcessStartInfo(
                "nbdfuse", ["-P", ready, shown, $"nbd+unix:///{volume}?socket={Uri.EscapeDataString(nbdSocket)}"]))!;
        }
        catch (Win32Exception)
        {
            return (null, ControlResult.Refused($"{volume} cannot be attached: nbdfuse is not installed", "install it: apt-get install libnbd-bin fuse3"));
        }

        if (!await AppearsAsync(ready, server))
        {
            string why = server.HasExited ? "nbdfuse ended (its words are in the daemon's log)" : "nbdfuse did not get ready";
            await AbandonAsync(server, mountpoint);
            return (null, ControlResult.Failed($"{volume} cannot be attached: {why}", "is /dev/fuse there? see the daemon's log"));
        }

        (int exitCode, string output) = await RunAsync("losetup", "--find", "--show", "--direct-io=on", shown);
        if (exitCode != 0)
        {
            await AbandonAsync(server, mountpoint);
            return (null, ControlResult.Failed($"{volume} cannot be attached: losetup: {output}", "is a loop device free?"));
        }

        var device = new FuseDevice(new DeviceRecord(volume, DeviceVia.Fuse, output, TimeSpan.Zero, mountpoint), users, log, server);
        server.EnableRaisingEvents = true;
        server.Exited += (_, _) => device.NoteEnd();
        if (server.HasExited)
            device.NoteEnd();
        return (device, null);
    }

    /// <inheritdoc/>
    public override bool Exists() => IsMounted(Record.Mountpoint) || FindBacking() is not null;

    /// <inheritdoc/>
    public override int? Tend(RuntimeVolume volume, ResourceStatus status) => null;

    /// <inheritdoc/>
    public override async Task<ControlResult?> EndAsync(bool force)
    {
        if (!force && RefuseIfUsed("not detached") is { } used)
            return used;
        if (force)
            _server?.Kill(); // its users get errors, and nothing of theirs reaches the volume any more
        if (FindBacking() is not null)
        {
            // While it is mounted the loop device goes with its last user.
            (int exitCode, string output) = await RunAsync("losetup", "--detach", Path);
            if (exitCode != 0 && !force)
                return ControlResult.Failed($"{Path} of {Volume} cannot be detached: {output}", "see losetup --list");
        }

        if (IsMounted(Record.Mountpoint))
        {
            // Lazily where it is forced: the loop device may still have the file open.
            string[] options = force ? ["-u", "-z"] : ["-u"];
            (int exitCode, string output) = await RunAsync("fusermount3", [.. options, Record.Mountpoint]);

            // The loop device lets go of its file a moment after it was told to.
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            for (long end = Environment.TickCount64 + LoopLetsGoMs; exitCode != 0 && Environment.TickCount64 < end;)
            {
                await timer.WaitForNextTickAsync();
                (exitCode, output) = await RunAsync("fusermount3", [.. options, Record.Mountpoint]);
            }

            if (exitCode != 0)
                return ControlResult.Failed($"the FUSE mount of {Volume} cannot be ended: {output}", $"end it by hand: umount -l {Record.Mountpoint}");
        }

        // When it has gone its NBD connection has, too, and a demotion finds no client.
        if (_server is not null)
        {
            using var limit = new CancellationTokenSource(ToolPatience);
            try
            {
                await _server.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _server.Kill();
            }
        }

        return null;
    }

    private string? FindBacking()
    {
        try
        {
            string backing = File.ReadAllText($"/sys/block/{System.IO.Path.GetFileName(Path)}/loop/backing_file").Trim();
            return backing.StartsWith(Record.Mountpoint + "/", StringComparison.Ordinal) ? backing : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void NoteEnd()
    {
        SetState(DeviceState.Broken, "nbdfuse has ended");
        DeviceLog.Broken(_log, Path, Volume, "nbdfuse has ended");
    }

    // proc(5): the fifth field of mountinfo is the mount point. Asking the file system itself could hang.
    private static bool IsMounted(string directory) =>
        File.ReadLines("/proc/self/mountinfo").Any(line => line.Split(' ') is { Length: > 4 } fields && fields[4] == directory);

    private static async Task<bool> AppearsAsync(string path, Process process)
    {
        long end = Environment.TickCount64 + (long)ToolPatience.TotalMilliseconds;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!File.Exists(path))
        {
            if (process.HasExited || Environment.TickCount64 > end)
                return false;
            await timer.WaitForNextTickAsync();
        }

        return true;
    }

    private static async Task AbandonAsync(Process server, string mountpoint)
    {
        if (!server.HasExited)
            server.Kill();
        if (IsMounted(mountpoint))
            await RunAsync("fusermount3", "-u", "-z", mountpoint);
        server.Dispose();
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> errors = process.StandardError.ReadToEndAsync();
            using var limit = new CancellationTokenSource(ToolPatience);
            try
            {
                await process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill();
                return (-1, $"{program} did not end");
            }

            string text = process.ExitCode == 0 ? await output : await errors;
            return (process.ExitCode, text.Trim());
        }
        catch (Win32Exception e)
        {
            return (-1, $"{program}: {e.Message}");
        }
    }
}
