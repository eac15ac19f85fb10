using System.Runtime.InteropServices;
using System.Text;
using BlockRepl.Device;

namespace BlockRepl.Cli;

/// <summary>
/// Makes this process one that the kernel may write dirty pages through (hard part 23): a file system on a volume of this very host must not wait for a server that waits for memory that only
/// writing to that file system can free. Called by <c>daemon</c> before anything else.
/// </summary>
internal static unsafe partial class BlockServerProcess
{
    private const string ExecutedMark = "BLOCKREPL_EXECUTED_AS_IO_FLUSHER";

    /// <summary>
    /// Marks every thread as an I/O flusher and locks the memory. The mark is a thread's own and the runtime has threads already, so the program executes itself anew, which
    /// keeps the mark and the process id: then every thread inherits it. Answers what could not be had, a sentence each, for the log.
    /// </summary>
    public static IReadOnlyList<string> Prepare()
    {
        List<string> missing = [];
        if (!NativeSupport.IsIoFlusher())
        {
            int errno = NativeSupport.SetIoFlusher();
            if (errno == 0 && Environment.GetEnvironmentVariable(ExecutedMark) is null)
                errno = ExecuteAnew();
            if (errno != 0)
            {
                missing.Add($"this process is no I/O flusher ({Marshal.GetPInvokeErrorMessage(errno)}): a file system on a volume of this host may hang when memory is short; "
                    + "run the daemon as root, with CAP_SYS_RESOURCE");
            }
        }

        Environment.SetEnvironmentVariable(ExecutedMark, null);
        if (NativeSupport.LockMemory() is not 0 and var refused)
        {
            missing.Add($"the memory of this process is not locked ({Marshal.GetPInvokeErrorMessage(refused)}): a file system on a volume of this host may hang when memory is short; "
                + "run the daemon as root, with CAP_IPC_LOCK, or raise LimitMEMLOCK");
        }

        return missing;
    }

    // Returns only if it fails. The arguments are the very bytes that this program was given.
    private static int ExecuteAnew()
    {
        List<byte[]> arguments = Split(File.ReadAllBytes("/proc/self/cmdline"));
        List<byte[]> environment = [];
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
            environment.Add(Encoding.UTF8.GetBytes($"{variable.Key}={variable.Value}\0"));
        environment.Add(Encoding.UTF8.GetBytes($"{ExecutedMark}=1\0"));
        string program = new FileInfo("/proc/self/exe").LinkTarget ?? "/proc/self/exe";
        byte** argv = ToNative(arguments);
        byte** envp = ToNative(environment);
        _ = Execute(program, argv, envp);
        return Marshal.GetLastPInvokeError(); // what was allocated for the call stays: this happens at most once
    }

    private static List<byte[]> Split(byte[] zeroTerminated)
    {
        List<byte[]> parts = [];
        int start = 0;
        for (int i = 0; i < zeroTerminated.Length; i++)
        {
            if (zeroTerminated[i] != 0)
                continue;
            parts.Add(zeroTerminated[start..(i + 1)]);
            start = i + 1;
        }

        return parts;
    }

    private static byte** ToNative(List<byte[]> zeroTerminated)
    {
        byte** array = (byte**)NativeMemory.AllocZeroed((nuint)(zeroTerminated.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < zeroTerminated.Count; i++)
        {
            array[i] = (byte*)NativeMemory.Alloc((nuint)zeroTerminated[i].Length);
            zeroTerminated[i].CopyTo(new Span<byte>(array[i], zeroTerminated[i].Length));
        }

        return array;
    }

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string path, byte** arguments, byte** environment);
}
