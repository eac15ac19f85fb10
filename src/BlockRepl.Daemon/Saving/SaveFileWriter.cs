using System.Globalization;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Daemon.Saving;

/// <summary>Writes one save file, durably or not at all (docs/save-file-format.md). One thread; blocks.</summary>
internal sealed class SaveFileWriter : IDisposable
{
    /// <summary>How the names of save files end.</summary>
    public const string Extension = ".brsave";

    private readonly SaveFileHeader _header;
    private readonly SafeFileHandle _file;
    private readonly string _part;
    private readonly List<SaveFileRun> _runs = [];
    private readonly byte[] _buffer = new byte[SaveFileCodec.DataBytesMax];
    private long _end = SaveFileCodec.HeaderBytes;

    private SaveFileWriter(string part, SaveFileHeader header)
    {
        _part = part;
        _header = header;
        _file = File.OpenHandle(part, FileMode.CreateNew, FileAccess.Write, FileShare.None);
    }

    /// <summary>
    /// Saves the blocks that <paramref name="blocks"/> names, or all of the volume for null, and returns the file's path. It is durable then, name and all. Nothing is left of it
    /// if that fails.
    /// </summary>
    /// <exception cref="IOException">The directory or the file cannot be written, or the source not be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory may not be written.</exception>
    public static string Write(string directory, SaveFileHeader header, DirtyBitmap? blocks, ISaveSource source)
    {
        Directory.CreateDirectory(directory);
        string path = FreeName(directory, header);
        string part = path + ".part";
        try
        {
            using (var writer = new SaveFileWriter(part, header))
            {
                File.SetUnixFileMode(writer._file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                if (blocks is null)
                    writer.SaveAll(source);
                else
                    writer.SaveMarked(blocks, source);
                writer.Finish();
            }

            File.Move(part, path, overwrite: false);
            DirectorySync.Flush(directory);
            return path;
        }
        catch
        {
            File.Delete(part);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    // An operator sees by the name what it is; two of one moment get a number.
    private static string FreeName(string directory, SaveFileHeader header)
    {
        string time = DateTimeOffset.FromUnixTimeMilliseconds(header.SavedMs).ToString("yyyyMMdd'T'HHmmss'.'fff'Z'", CultureInfo.InvariantCulture);
        for (int number = 1; ; number++)
        {
            string suffix = number == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"-{number}");
            string path = Path.Combine(directory, $"{header.ResourceName}-{header.VolumeName}-{time}{suffix}{Extension}");
            if (!File.Exists(path) && !File.Exists(path + ".part"))
                return path;
        }
    }

    private void SaveMarked(DirtyBitmap blocks, ISaveSource source)
    {
        long end = 0;
        while (blocks.FindNextSet(end) is >= 0 and var first)
        {
            end = blocks.FindNextClear(first);
            if (end < 0)
                end = blocks.BlockCount;
            long from = first << Block.Shift;
            if (from >= _header.VolumeBytes)
                break;
            Save(from, Math.Min(end << Block.Shift, _header.VolumeBytes) - from, source);
            if (end == blocks.BlockCount)
                break;
        }
    }

    private void SaveAll(ISaveSource source)
    {
        long offset = 0;
        while (offset < _header.VolumeBytes)
        {
            Require(source.GetExtent(offset, _header.VolumeBytes - offset, out DeviceExtent extent), offset);

            // Holes end where the file system likes; runs begin at blocks.
            long next = offset + extent.Length == _header.VolumeBytes ? _header.VolumeBytes : (offset + extent.Length) & ~(long)(Block.Size - 1);
            if (extent.IsHole && next > offset)
            {
                AddZeroes(offset, next - offset);
            }
            else
            {
                next = Math.Max(next, Math.Min(offset + Block.Size, _header.VolumeBytes));
                Save(offset, next - offset, source);
            }

            offset = next;
        }
    }

    private void Save(long offset, long length, ISaveSource source)
    {
        while (length > 0)
        {
            Span<byte> data = _buffer.AsSpan(0, (int)Math.Min(length, _buffer.Length));
            Require(source.Read(offset, data), offset);
            if (data.ContainsAnyExcept((byte)0))
            {
                RandomAccess.Write(_file, data, _end);
                Add(new SaveFileRun(offset, data.Length, _end, Crc32C.Compute(data)));
                _end += (data.Length + Block.Size - 1) & ~(Block.Size - 1);
            }
            else
            {
                AddZeroes(offset, data.Length);
            }

            offset += data.Length;
            length -= data.Length;
        }
    }

    private void AddZeroes(long offset, long length)
    {
        if (_runs.Count > 0 && _runs[^1] is { IsZeroes: true } last && last.End == offset)
            _runs[^1] = last with { Length = last.Length + length };
        else
            Add(new SaveFileRun(offset, length, 0, 0));
    }

    private void Add(SaveFileRun run)
    {
        if (_runs.Count == SaveFileCodec.RunsMax)
            throw new IOException($"the changes are in more than {SaveFileCodec.RunsMax} places, which a save file cannot name");
        _runs.Add(run);
    }

    // The header last: without it the file is none.
    private void Finish()
    {
        byte[] index = new byte[_runs.Count * SaveFileCodec.RunBytes];
        for (int i = 0; i < _runs.Count; i++)
            SaveFileCodec.EncodeRun(_runs[i], index.AsSpan(i * SaveFileCodec.RunBytes));
        RandomAccess.Write(_file, index, _end);
        byte[] header = new byte[SaveFileCodec.HeaderBytes];
        SaveFileCodec.Encode(_header with { IndexOffset = _end, RunCount = _runs.Count, IndexCrc = Crc32C.Compute(index) }, header);
        RandomAccess.Write(_file, header, 0);
        RandomAccess.FlushToDisk(_file);
    }

    private static void Require(DiskResult result, long offset)
    {
        if (!result.IsOk)
            throw new IOException($"the disk could not be read at {offset}: {result}");
    }
}
