using BlockRepl.Format;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Daemon.Saving;

/// <summary>An open save file: its header and index, checked, and its data, checked as it is read. Thread-safe once open.</summary>
public sealed class SaveFileReader : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly SaveFileRun[] _runs;

    private SaveFileReader(string path, SafeFileHandle file, SaveFileHeader header, SaveFileRun[] runs)
    {
        Path = path;
        _file = file;
        Header = header;
        _runs = runs;
    }

    /// <summary>The file's path.</summary>
    public string Path { get; }

    /// <summary>What the file says of itself.</summary>
    public SaveFileHeader Header { get; }

    /// <summary>The runs, in ascending order.</summary>
    public ReadOnlySpan<SaveFileRun> Runs => _runs;

    /// <summary>Bytes that were saved, zeroes included.</summary>
    public long SavedBytes
    {
        get
        {
            long sum = 0;
            foreach (SaveFileRun run in _runs)
                sum += run.Length;
            return sum;
        }
    }

    /// <summary>Opens a save file; null with the reason in words if it is none, or damaged.</summary>
    public static SaveFileReader? Open(string path, out string why)
    {
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            byte[] bytes = new byte[SaveFileCodec.HeaderBytes];
            int read = RandomAccess.Read(file, bytes, 0);
            SaveFileError error = SaveFileCodec.Decode(bytes.AsSpan(0, read), out SaveFileHeader? header);
            SaveFileRun[] runs = [];
            if (error == SaveFileError.None)
                error = ReadIndex(file, header!, out runs);
            why = error switch
            {
                SaveFileError.None => "",
                SaveFileError.BadMagic => "it is not a save file, or one that was never finished",
                SaveFileError.UnknownVersion => $"its format version is not {SaveFileCodec.Version}, which this program knows",
                _ => $"it is damaged ({error})",
            };
            if (error == SaveFileError.None)
            {
                var reader = new SaveFileReader(path, file, header!, runs);
                file = null;
                return reader;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            why = e.Message;
        }
        finally
        {
            file?.Dispose();
        }

        return null;
    }

    /// <summary>Reads one run whole; false if its checksum is wrong (G10) or the disk fails. <paramref name="destination"/> has <see cref="SaveFileRun.Length"/> bytes; not for zeroes.</summary>
    public bool TryRead(in SaveFileRun run, Span<byte> destination)
    {
        Check.That(!run.IsZeroes && destination.Length == run.Length);
        try
        {
            return RandomAccess.Read(_file, destination, run.FileOffset) == destination.Length && Crc32C.Compute(destination) == run.Crc;
        }
        catch (IOException)
        {
            // To the caller a run that cannot be read and one that is wrong are the same: it is named and not used.
            return false;
        }
    }

    /// <summary>Index of the first run that ends behind <paramref name="offset"/>; the number of runs if there is none.</summary>
    public int FindRun(long offset)
    {
        int low = 0;
        int high = _runs.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_runs[middle].End > offset)
                high = middle;
            else
                low = middle + 1;
        }

        return low;
    }

    /// <summary>Checks the data of every run; returns the damaged ones.</summary>
    public List<SaveFileRun> Verify()
    {
        List<SaveFileRun> damaged = [];
        byte[] buffer = new byte[SaveFileCodec.DataBytesMax];
        foreach (SaveFileRun run in _runs)
        {
            if (!run.IsZeroes && !TryRead(in run, buffer.AsSpan(0, (int)run.Length)))
                damaged.Add(run);
        }

        return damaged;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static SaveFileError ReadIndex(SafeFileHandle file, SaveFileHeader header, out SaveFileRun[] runs)
    {
        runs = [];
        long bytes = header.RunCount * SaveFileCodec.RunBytes;
        if (RandomAccess.GetLength(file) - header.IndexOffset < bytes)
            return SaveFileError.Malformed;
        byte[] index = new byte[bytes];
        return RandomAccess.Read(file, index, header.IndexOffset) == index.Length
            ? SaveFileCodec.DecodeIndex(header, index, out runs)
            : SaveFileError.Malformed;
    }
}
