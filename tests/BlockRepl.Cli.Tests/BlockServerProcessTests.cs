using System.Diagnostics;
using System.Globalization;
using BlockRepl.Daemon.Tests.Control;

namespace BlockRepl.Cli.Tests;

/// <summary>The real program as the daemon that it becomes.</summary>
public sealed class BlockServerProcessTests
{
    // Linux, include/linux/sched.h: what PR_SET_IO_FLUSHER sets.
    private const ulong MemallocNoIo = 0x80000;
    private const ulong LocalThrottle = 0x100000;

    // include/uapi/linux/capability.h
    private const int IpcLock = 14;
    private const int SysResource = 24;

    [Fact]
    public async Task Hard_part_23_every_thread_of_the_daemon_is_an_io_flusher_and_its_memory_is_locked()
    {
        using var directory = new TemporaryDirectory();
        string file = Path.Combine(directory.Path, "blockrepl.yaml");
        await File.WriteAllTextAsync(file, """
            nodes: { alpha: { address: "127.0.0.1:1" } }
            resources: { r: { volumes: { v: { disk: v.img, size: 8MiB } } } }
            """);
        using Process daemon = Process.Start(new ProcessStartInfo(
            Path.Combine(AppContext.BaseDirectory, "blockrepl"),
            ["daemon", "--no-up", "--config", file, "--node", "alpha", "--run-dir", Path.Combine(directory.Path, "run")])
        {
            RedirectStandardError = true,
        })!;
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            List<string> log = [];
            while (await daemon.StandardError.ReadLineAsync(deadline.Token) is { } line)
            {
                log.Add(line);
                if (line.Contains("serving; control socket", StringComparison.Ordinal) || line.Contains("cannot listen", StringComparison.Ordinal))
                    break;
            }

            // Without the privilege the log must say so, by its name; that is all that can be asked then (in a container, say).
            string text = string.Join('\n', log);
            bool mayFlush = Has(SysResource);
            bool mayLock = Has(IpcLock);
            Assert.Equal(!mayFlush, text.Contains("is no I/O flusher", StringComparison.Ordinal));
            Assert.True(!mayLock || !text.Contains("is not locked", StringComparison.Ordinal), text);
            int threads = 0;
            foreach (string stat in Directory.EnumerateDirectories($"/proc/{daemon.Id}/task").Select(task => Path.Combine(task, "stat")))
            {
                if (FlagsOf(stat) is not { } flags)
                    continue;
                threads++;
                Assert.True(!mayFlush || (flags & (MemallocNoIo | LocalThrottle)) == (MemallocNoIo | LocalThrottle), $"{stat}: flags {flags:x}\n{text}");
            }

            Assert.True(threads > 5, text);
            long locked = long.Parse(
                File.ReadLines($"/proc/{daemon.Id}/status").Single(line => line.StartsWith("VmLck:", StringComparison.Ordinal)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1],
                CultureInfo.InvariantCulture);
            Assert.True(!mayLock || locked > 0, text);
        }
        finally
        {
            daemon.Kill();
            await daemon.WaitForExitAsync();
        }
    }

    private static bool Has(int capability)
    {
        string effective = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("CapEff:", StringComparison.Ordinal))[7..].Trim();
        return ((ulong.Parse(effective, NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> capability) & 1) == 1;
    }

    // proc(5): after the name in brackets come state, ppid, pgrp, session, tty, tpgid, flags. Null if the thread has ended.
    private static ulong? FlagsOf(string stat)
    {
        try
        {
            string text = File.ReadAllText(stat);
            return ulong.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[6], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
