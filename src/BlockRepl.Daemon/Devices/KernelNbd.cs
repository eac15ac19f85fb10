using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace BlockRepl.Daemon.Devices;

/// <summary>The kernel's NBD devices, by generic netlink and sysfs. A socket a call: calls are rare, and nothing is left to be confused by.</summary>
internal sealed unsafe partial class KernelNbd : IKernelNbd
{
    private const int AddressFamilyNetlink = 16;
    private const int NetlinkGeneric = 16;
    private const int SocketRaw = 3;
    private const int CloseOnExec = 0x80000;
    private const int NoEntry = 2;
    private const string SysBlock = "/sys/block";

    private static uint _sequence;

    private ushort _family;

    /// <inheritdoc/>
    public string? FindObstacle()
    {
        int errno = ResolveFamily();
        if (errno == NoEntry && LoadModule())
            errno = ResolveFamily();
        return errno switch
        {
            0 => null,
            NoEntry => "this kernel has no NBD client (module nbd)",
            _ => $"the kernel's NBD client cannot be asked: {Marshal.GetPInvokeErrorMessage(errno)}",
        };
    }

    /// <inheritdoc/>
    public int Connect(KernelConnect request, out int index)
    {
        uint sequence = Interlocked.Increment(ref _sequence);
        int errno = Transact(NbdNetlink.Connect(_family, sequence, request), sequence, NbdNetlink.IndexOf, out uint? taken);
        index = (int?)taken ?? request.Index ?? -1;
        return errno;
    }

    /// <inheritdoc/>
    public int Reconnect(int index, string backend, int socketFd)
    {
        uint sequence = Interlocked.Increment(ref _sequence);
        return Transact(NbdNetlink.Reconnect(_family, sequence, index, backend, socketFd), sequence, NbdNetlink.IndexOf, out _);
    }

    /// <inheritdoc/>
    public int Resize(int index, string backend, long sizeBytes)
    {
        uint sequence = Interlocked.Increment(ref _sequence);
        return Transact(NbdNetlink.Resize(_family, sequence, index, backend, sizeBytes), sequence, NbdNetlink.IndexOf, out _);
    }

    /// <inheritdoc/>
    public int Disconnect(int index)
    {
        uint sequence = Interlocked.Increment(ref _sequence);
        return Transact(NbdNetlink.Disconnect(_family, sequence, index), sequence, NbdNetlink.IndexOf, out _);
    }

    /// <inheritdoc/>
    public string? BackendOf(int index)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"{SysBlock}/nbd{index}/backend")).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<(int Index, string Backend)> ListBackends()
    {
        List<(int, string)> found = [];
        if (!Directory.Exists(SysBlock))
            return found;
        foreach (string path in Directory.EnumerateFileSystemEntries(SysBlock, "nbd*"))
        {
            if (int.TryParse(Path.GetFileName(path.AsSpan())[3..], NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                && BackendOf(index) is { Length: > 0 } backend)
            {
                found.Add((index, backend));
            }
        }

        if (found.Count > 0 && _family == 0)
            _ = ResolveFamily();
        return found;
    }

    /// <inheritdoc/>
    public void SetIoTimeout(int index, int milliseconds) => File.WriteAllText(
        string.Create(CultureInfo.InvariantCulture, $"{SysBlock}/nbd{index}/queue/io_timeout"), milliseconds.ToString(CultureInfo.InvariantCulture));

    /// <inheritdoc/>
    public long SizeOf(int index)
    {
        const int SectorBytes = 512;
        string text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"{SysBlock}/nbd{index}/size"));
        return long.Parse(text, NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture) * SectorBytes;
    }

    private int ResolveFamily()
    {
        uint sequence = Interlocked.Increment(ref _sequence);
        int errno = Transact(NbdNetlink.ResolveFamily("nbd", sequence), sequence, NbdNetlink.FamilyIdOf, out uint? family);
        if (errno == 0 && family is { } id)
            _family = (ushort)id;
        return errno;
    }

    private static bool LoadModule()
    {
        try
        {
            using var modprobe = Process.Start(new ProcessStartInfo("modprobe", ["nbd"]) { RedirectStandardError = true, RedirectStandardOutput = true });
            modprobe!.WaitForExit();
            return modprobe.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false; // no modprobe: the module is there or it is not
        }
    }

    private static int Transact(NetlinkMessage request, uint sequence, ushort attribute, out uint? value)
    {
        value = null;
        int fd = OpenSocket(AddressFamilyNetlink, SocketRaw | CloseOnExec, NetlinkGeneric);
        if (fd < 0)
            return Marshal.GetLastPInvokeError();
        try
        {
            ReadOnlySpan<byte> bytes = request.Bytes;
            fixed (byte* start = bytes)
            {
                if (Send(fd, start, bytes.Length, 0) != bytes.Length)
                    return Marshal.GetLastPInvokeError();
            }

            const int ReceivedMax = 16 << 10;
            byte[] buffer = new byte[ReceivedMax];
            while (true)
            {
                nint length;
                fixed (byte* start = buffer)
                    length = Receive(fd, start, ReceivedMax, 0);
                if (length < 0)
                    return Marshal.GetLastPInvokeError();
                NbdNetlink.Read(buffer.AsSpan(0, (int)length), sequence, attribute, ref value, out int? errno);
                if (errno is { } final)
                    return final;
            }
        }
        finally
        {
            _ = Close(fd);
        }
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(int fd, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(int fd, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int fd);
}
