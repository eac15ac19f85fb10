using System.Globalization;
using System.Runtime.InteropServices;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Daemon.Replication;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// A device of the kernel's NBD client. The link is one end of a socket pair, the other end of which this daemon's NBD server serves: no handshake, no listener, and it dies with the daemon.
/// The kernel then holds the device's I/O, and the next daemon, or this one if only the link was lost, hands it a new socket.
/// </summary>
/// <remarks>
/// <code>
///   attach ──► Connected ── link ends (daemon died, stopped; stalled) ──► Held ── Primary again, data untouched ──► Connected
///                  └──────────────── detach, demotion ──► gone ◄── detach, demotion, data replaced by the peer's ──┘
/// </code>
/// </remarks>
internal sealed class KernelDevice : VolumeDevice
{
    private const int PauseMsMin = 50;
    private const int PauseMsMax = 1000;
    private const int SectorBytes = 512;

    private static readonly TimeSpan LinkEnds = TimeSpan.FromSeconds(5);

    // Requests that the resource holds may keep it; the kernel has given them up.
    private static readonly TimeSpan ForcedLinkEnds = TimeSpan.FromSeconds(1);

    private readonly IKernelNbd _kernel;
    private readonly NbdServer _nbd;
    private readonly ILogger _log;
    private readonly Action _wake;
    private readonly int _index;
    private readonly Lock _linkLock = new();
    private NbdConnection? _link;
    private int _pauseMs = PauseMsMin;
    private long _nextTryMs;
    private string? _loggedTrouble;

    public KernelDevice(DeviceRecord record, string backend, IKernelNbd kernel, NbdServer nbd, DeviceUsers users, ILogger log, Action wake)
        : base(record, users)
    {
        Backend = backend;
        _kernel = kernel;
        _nbd = nbd;
        _log = log;
        _wake = wake;
        _index = IndexOf(record.Device) ?? throw new ArgumentException($"not an NBD device: {record.Device}", nameof(record));
        SetState(DeviceState.Held, "the daemon has just started");
    }

    /// <summary>The identifier that the kernel knows it by.</summary>
    public string Backend { get; }

    /// <summary>N of <c>/dev/nbdN</c>; null if it is no such path.</summary>
    public static int? IndexOf(string path)
    {
        const string Prefix = "/dev/nbd";
        return path.StartsWith(Prefix, StringComparison.Ordinal)
            && int.TryParse(path.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? index : null;
    }

    /// <summary>Attaches a volume. Answers the device, or a refusal.</summary>
    public static (KernelDevice? Device, ControlResult? Refusal) Attach(
        string volume, int? index, TimeSpan hold, string backend, IKernelNbd kernel, NbdServer nbd, DeviceUsers users, ILogger log, Action wake)
    {
        KernelDevice? device = null;
        using SocketPair pair = SocketPair.Create();
        NbdConnection? link = nbd.Serve(pair.Server, $"kernel for {volume}", volume, ended => Volatile.Read(ref device)?.OnEnded(ended), out string refusal);
        if (link is null)
            return (null, ControlResult.Refused($"{volume} cannot be attached: {refusal}", "see blockrepl status"));
        var request = new KernelConnect
        {
            Index = index,
            SizeBytes = link.Session.Info.SizeBytes,
            BlockBytes = Math.Clamp(link.Session.Info.MinimumBlockBytes, SectorBytes, Block.Size),
            Flags = (ushort)link.Session.Flags,
            Hold = hold,
            Backend = backend,
            SocketFd = pair.KernelFd,
        };
        int errno = kernel.Connect(request, out int taken);
        if (errno != 0)
        {
            link.HangUp("the kernel refused the device");
            return (null, Explain(errno, volume, index, users));
        }

        // A kernel from before this attribute ignores it silently, and would fail I/O at the first loss of its link.
        if (kernel.BackendOf(taken) != backend)
        {
            link.HangUp("the kernel does not know backend identifiers");
            _ = kernel.Disconnect(taken);
            return (null, ControlResult.Refused(
                $"{volume} cannot be attached: this kernel's NBD client cannot hold I/O while the daemon restarts", "use a newer kernel, or attach it with --via fuse"));
        }

        try
        {
            kernel.SetIoTimeout(taken, IoTimeoutMs);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            link.HangUp("the device cannot be set up");
            _ = kernel.Disconnect(taken);
            return (null, ControlResult.Failed($"{volume} cannot be attached: queue/io_timeout cannot be set: {e.Message}", "is /sys writable here?"));
        }

        string path = string.Create(CultureInfo.InvariantCulture, $"/dev/nbd{taken}");
        device = new KernelDevice(new DeviceRecord(volume, DeviceVia.Kernel, path, hold, ""), backend, kernel, nbd, users, log, wake);
        device.Adopt(link);
        return (device, null);
    }

    /// <summary>Requests in flight when the link was lost are sent again at the first tick of this period after the reconnect; each costs a kernel log line a tick while nobody serves.</summary>
    public const int IoTimeoutMs = 2000;

    /// <inheritdoc/>
    public override bool Exists() => _kernel.BackendOf(_index) == Backend;

    /// <inheritdoc/>
    public override int? Tend(RuntimeVolume volume, ResourceStatus status)
    {
        NbdConnection? link = CurrentLink;
        if (status.Role != Role.Primary)
        {
            // Core refuses its requests with errors now, and an error is what the kernel must not see.
            link?.HangUp("this node is not Primary any more");
            return null;
        }

        if (link is not null)
            return Grow(volume, link, status.Of(volume).SizeBytes);
        long wait = _nextTryMs - Environment.TickCount64;
        return wait > 0 ? (int)wait : Reconnect();
    }

    /// <inheritdoc/>
    public override async Task<ControlResult?> EndAsync(bool force)
    {
        NbdConnection? link = CurrentLink;
        SafeFileHandle? claim = null;
        if (!force)
        {
            if (RefuseIfUsed("not detached") is { } used)
                return used;

            // Held devices are not opened: that may wait for I/O which nobody serves.
            if (link is not null)
            {
                claim = DeviceClaim.TryTake(Path, out string? why);
                if (why is not null)
                    return RefuseFor("not detached", why);
            }
        }

        // The server's end goes first where I/O may be pending: against a live server that does not read, DISCONNECT would wait.
        if (force)
            link?.HangUp("the device is ended");
        int errno = await Task.Run(() => _kernel.Disconnect(_index));
        claim?.Dispose();
        if (errno != 0)
            return ControlResult.Failed($"{Path} of {Volume} cannot be detached: {Marshal.GetPInvokeErrorMessage(errno)}", "see the kernel's log");
        if (link is not null)
            await Task.Run(() => link.Thread.Join(force ? ForcedLinkEnds : LinkEnds));
        return null;
    }

    private NbdConnection? CurrentLink
    {
        get
        {
            lock (_linkLock)
                return _link;
        }
    }

    private int? Reconnect()
    {
        using SocketPair pair = SocketPair.Create();
        NbdConnection? link = _nbd.Serve(pair.Server, $"kernel {Path}", Volume, OnEnded, out string refusal);
        if (link is null)
            return Later(refusal);

        // Known before the kernel has it: it may end at once, when the kernel drops it.
        lock (_linkLock)
            _link = link;
        int errno = _kernel.Reconnect(_index, Backend, pair.KernelFd);
        if (errno != 0)
        {
            link.HangUp("the kernel did not take it");
            return Later($"the kernel does not take a new link: {Marshal.GetPInvokeErrorMessage(errno)}");
        }

        if (CurrentLink == link)
            Adopt(link);
        return null;
    }

    private void Adopt(NbdConnection link)
    {
        lock (_linkLock)
        {
            _link = link;
            if (link.HasEnded)
                _link = null;
            else
                SetState(DeviceState.Connected, null);
        }

        if (_link is null)
            _wake();
        else
            DeviceLog.Connected(_log, Path, Volume);
        _loggedTrouble = null;
    }

    // On the link's thread. A link that served nothing was not used: the kernel had not noticed yet that the old one is dead, and dropped the new one silently.
    private void OnEnded(NbdConnection ended)
    {
        lock (_linkLock)
        {
            if (_link != ended)
                return;
            _link = null;
            _pauseMs = ended.HasServed ? PauseMsMin : Math.Min(_pauseMs * 2, PauseMsMax);
            _nextTryMs = Environment.TickCount64 + (ended.HasServed ? 0 : _pauseMs);
            SetState(DeviceState.Held, ended.EndReason);
        }

        DeviceLog.Lost(_log, Path, Volume, ended.EndReason ?? "");
        _wake();
    }

    private int Later(string why)
    {
        SetState(DeviceState.Held, why);
        if (_loggedTrouble != why)
            DeviceLog.Trouble(_log, Path, Volume, why);
        _loggedTrouble = why;
        _pauseMs = Math.Min(_pauseMs * 2, PauseMsMax);
        _nextTryMs = Environment.TickCount64 + _pauseMs;
        return _pauseMs;
    }

    private int? Grow(RuntimeVolume volume, NbdConnection link, long sizeBytes)
    {
        long wanted = sizeBytes / SectorBytes * SectorBytes;
        if (wanted <= _kernel.SizeOf(_index))
            return null;

        // First the server, so that no request beyond the old end is refused.
        volume.Clients.TakeSize(sizeBytes);
        link.Take(volume);
        int errno = _kernel.Resize(_index, Backend, wanted);
        if (errno != 0)
            return Later($"the kernel does not take the new size: {Marshal.GetPInvokeErrorMessage(errno)}");
        DeviceLog.Resized(_log, Path, Volume, wanted);
        return null;
    }

    private static ControlResult Explain(int errno, string volume, int? index, DeviceUsers users)
    {
        const int NotPermitted = 1;
        const int Busy = 16;
        string device = index is { } n ? string.Create(CultureInfo.InvariantCulture, $"/dev/nbd{n}") : "an NBD device";
        if (errno == NotPermitted)
            return ControlResult.Refused($"{volume} cannot be attached: the daemon may not administer block devices", "run the daemon as root, with CAP_SYS_ADMIN");
        if (errno == Busy)
        {
            IReadOnlyList<string> found = index is null ? [] : users.Find(device);
            return ControlResult.Refused(
                $"{volume} cannot be attached: {device} is in use{(found.Count > 0 ? $" ({DeviceUsers.Describe(found)})" : "")}", "name another one, or none: the kernel then chooses");
        }

        return ControlResult.Failed($"{volume} cannot be attached: the kernel refuses {device}: {Marshal.GetPInvokeErrorMessage(errno)}", "see the kernel's log");
    }
}
