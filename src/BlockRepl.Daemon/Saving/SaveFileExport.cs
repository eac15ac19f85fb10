using BlockRepl.Format;
using BlockRepl.Nbd;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Daemon.Saving;

/// <summary>
/// A save file as a read-only NBD export: its blocks laid over an image, or over zeroes. Damaged runs read as EIO. Thread-safe; owns neither file.
/// </summary>
internal sealed class SaveFileExport : INbdExport
{
    private readonly SaveFileReader _file;
    private readonly SafeFileHandle? _over;
    private readonly Lock _lock = new();
    private readonly byte[] _run = new byte[SaveFileCodec.DataBytesMax];
    private int _cached = -1;

    /// <param name="file">The save file.</param>
    /// <param name="over">The image below; null for zeroes.</param>
    public SaveFileExport(SaveFileReader file, SafeFileHandle? over)
    {
        _file = file;
        _over = over;
        Info = new NbdExportInfo
        {
            Name = $"{file.Header.ResourceName}/{file.Header.VolumeName}",
            SizeBytes = file.Header.VolumeBytes,
            Flags = NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.ReadOnly | NbdTransmissionFlags.SendFlush
                | NbdTransmissionFlags.SendDontFragment | NbdTransmissionFlags.CanMultiConnection,
            Description = $"what {file.Header.NodeName} lost to {file.Header.PeerName}",
        };
    }

    /// <inheritdoc/>
    public NbdExportInfo Info { get; }

    /// <inheritdoc/>
    public void Submit(ReadOnlySpan<NbdRequest> batch)
    {
        foreach (NbdRequest request in batch)
            request.Sink.Complete(request, Answer(request));
    }

    private NbdError Answer(NbdRequest request)
    {
        switch (request.Command)
        {
            case NbdCommand.Read:
                return Read(request.Offset, request.Buffer!.Span[..(int)request.Length]) ? NbdError.Ok : NbdError.EIO;
            case NbdCommand.Flush or NbdCommand.Cache:
                return NbdError.Ok;
            case NbdCommand.BlockStatus:
                request.AddExtent(request.Length, isHole: false, isZero: false);
                return NbdError.Ok;
            default:
                return NbdError.EPERM;
        }
    }

    private bool Read(long offset, Span<byte> destination)
    {
        if (!ReadBelow(offset, destination))
            return false;
        long end = offset + destination.Length;
        for (int i = _file.FindRun(offset); i < _file.Runs.Length && _file.Runs[i].Offset < end; i++)
        {
            SaveFileRun run = _file.Runs[i];
            long from = Math.Max(run.Offset, offset);
            Span<byte> part = destination[(int)(from - offset)..(int)(Math.Min(run.End, end) - offset)];
            if (run.IsZeroes)
                part.Clear();
            else if (!CopyRun(i, in run, (int)(from - run.Offset), part))
                return false;
        }

        return true;
    }

    private bool ReadBelow(long offset, Span<byte> destination)
    {
        destination.Clear();
        try
        {
            while (_over is not null && destination.Length > 0)
            {
                int read = RandomAccess.Read(_over, destination, offset);
                if (read == 0)
                    break;
                offset += read;
                destination = destination[read..];
            }
        }
        catch (IOException)
        {
            return false;
        }

        return true;
    }

    // A run is checked as a whole (G10); neighbours in it are mostly asked for next.
    private bool CopyRun(int index, in SaveFileRun run, int at, Span<byte> destination)
    {
        lock (_lock)
        {
            if (_cached != index)
            {
                _cached = -1;
                if (!_file.TryRead(in run, _run.AsSpan(0, (int)run.Length)))
                    return false;
                _cached = index;
            }

            _run.AsSpan(at, destination.Length).CopyTo(destination);
            return true;
        }
    }
}
