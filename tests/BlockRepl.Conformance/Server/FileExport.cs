using System.Collections.Concurrent;
using BlockRepl.Nbd;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Conformance.Server;

/// <summary>An export over a sparse file, as a volume without replication would be: inline, in order.</summary>
internal sealed class FileExport : INbdExport, IDisposable
{
    private const int ZeroBytes = 1 << 20;
    private static readonly byte[] Zeroes = new byte[ZeroBytes];
    private readonly SafeFileHandle _file;

    public FileExport(string path, string name, long size)
    {
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        RandomAccess.SetLength(_file, size);
        Info = new NbdExportInfo { Name = name, SizeBytes = size, Description = "a test volume" };
    }

    public NbdExportInfo Info { get; init; }

    /// <summary>What was submitted, for tests that look.</summary>
    public ConcurrentQueue<(NbdCommand Command, NbdCommandFlags Flags, long Offset, uint Length)> Seen { get; } = new();

    public bool Records { get; set; }

    public void Submit(ReadOnlySpan<NbdRequest> batch)
    {
        foreach (NbdRequest request in batch)
        {
            if (Records)
                Seen.Enqueue((request.Command, request.Flags, request.Offset, request.Length));
            request.Sink.Complete(request, Carry(request));
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Carries one request out; any thread.</summary>
    public NbdError Carry(NbdRequest request)
    {
        switch (request.Command)
        {
            case NbdCommand.Read:
                return RandomAccess.Read(_file, request.Buffer!.Span, request.Offset) == (int)request.Length ? NbdError.Ok : NbdError.EIO;
            case NbdCommand.Write:
                RandomAccess.Write(_file, request.Buffer!.Span, request.Offset);
                break;
            case NbdCommand.Trim or NbdCommand.WriteZeroes when (request.Flags & NbdCommandFlags.FastZero) != 0:
                return NbdError.ENOTSUP;
            case NbdCommand.Trim or NbdCommand.WriteZeroes:
                for (long done = 0; done < request.Length; done += ZeroBytes)
                    RandomAccess.Write(_file, Zeroes.AsSpan(0, (int)Math.Min(ZeroBytes, request.Length - done)), request.Offset + done);
                break;
            case NbdCommand.BlockStatus:
                AddExtents(request);
                return NbdError.Ok;
            case NbdCommand.Flush:
                RandomAccess.FlushToDisk(_file);
                break;
            default:
                throw Check.Unreachable($"command {request.Command}");
        }

        if (request.IsForceUnitAccess)
            RandomAccess.FlushToDisk(_file);
        return NbdError.Ok;
    }

    // Zero-filled blocks are told as holes: enough for a client to see both kinds.
    private void AddExtents(NbdRequest request)
    {
        Span<byte> block = stackalloc byte[4096];
        long at = request.Offset;
        long end = request.Range.End;
        bool wantsMore = true;
        while (wantsMore && at < end)
        {
            int length = (int)Math.Min(end - at, 4096 - (at & 4095));
            RandomAccess.Read(_file, block[..length], at);
            bool isZero = !block[..length].ContainsAnyExcept((byte)0);
            wantsMore = request.AddExtent((uint)length, isZero, isZero);
            at += length;
        }
    }
}
