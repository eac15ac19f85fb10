using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>
/// Writes down every change and flush, and makes the images that a power loss at any point could have left. Thread-safe;
/// calls are recorded in the order in which they completed.
/// </summary>
/// <remarks>The log keeps all data written: for tests and analysis, not for production load.</remarks>
public sealed class RecordingDevice : FilterDevice
{
    private readonly Lock _gate = new();
    private readonly MemoryDevice _start;
    private readonly List<RecordedChange> _log = [];

    /// <param name="inner">The wrapped device, whose content now is what the images start from; disposed of with this one.</param>
    public RecordingDevice(IBlockDevice inner)
        : base(inner)
    {
        _start = new MemoryDevice(inner.SizeBytes);
        byte[] piece = new byte[1 << 20];
        for (long at = 0; at < inner.SizeBytes; at += piece.Length)
        {
            Span<byte> part = piece.AsSpan(0, (int)Math.Min(piece.Length, inner.SizeBytes - at));
            Check.That(inner.Read(at, part).IsOk, "the start image cannot be read");
            if (part.ContainsAnyExcept((byte)0))
                _start.Write(at, part, forceUnitAccess: false);
        }
    }

    /// <summary>Everything recorded so far.</summary>
    public IReadOnlyList<RecordedChange> Log
    {
        get
        {
            lock (_gate)
                return [.. _log];
        }
    }

    /// <summary>
    /// The content after the first <paramref name="count"/> recorded calls, then half of the next one if
    /// <paramref name="tornBytes"/> says how many of its bytes arrived. This is what the death of the process leaves.
    /// </summary>
    public MemoryDevice ImageAfter(int count, int tornBytes = 0)
    {
        IReadOnlyList<RecordedChange> log = Log;
        MemoryDevice image = _start.Copy();
        for (int i = 0; i < count; i++)
            Apply(image, log[i], log[i].Length);
        if (tornBytes > 0 && count < log.Count)
            Apply(image, log[count], Math.Min(tornBytes, log[count].Length));
        return image;
    }

    /// <summary>
    /// What a power loss after <paramref name="count"/> recorded calls may leave: what a flush or a forced write made stable
    /// is there; of the rest, the calls for which <paramref name="survives"/> (index in the log) says so.
    /// </summary>
    public MemoryDevice ImageAfterPowerLoss(int count, Func<int, bool> survives)
    {
        IReadOnlyList<RecordedChange> log = Log;
        int lastFlush = -1;
        for (int i = 0; i < count; i++)
        {
            if (log[i].Operation == DeviceOperation.Flush)
                lastFlush = i;
        }

        MemoryDevice image = _start.Copy();
        for (int i = 0; i < count; i++)
        {
            if (i <= lastFlush || log[i].ForcedUnitAccess || survives(i))
                Apply(image, log[i], log[i].Length);
        }

        return image;
    }

    /// <inheritdoc/>
    public override DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        DiskResult result = Inner.Write(offset, source, forceUnitAccess);
        if (result.IsOk)
            Record(new RecordedChange(DeviceOperation.Write, offset, source.Length, source.ToArray(), forceUnitAccess));
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult Flush()
    {
        DiskResult result = Inner.Flush();
        if (result.IsOk)
            Record(new RecordedChange(DeviceOperation.Flush, 0, 0, default, ForcedUnitAccess: false));
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult Discard(long offset, long length)
    {
        DiskResult result = Inner.Discard(offset, length);
        if (result.IsOk)
            Record(new RecordedChange(DeviceOperation.Discard, offset, length, default, ForcedUnitAccess: false));
        return result;
    }

    /// <inheritdoc/>
    public override DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly)
    {
        DiskResult result = Inner.WriteZeroes(offset, length, mayPunchHole, fastOnly);
        if (result.IsOk)
            Record(new RecordedChange(DeviceOperation.WriteZeroes, offset, length, default, ForcedUnitAccess: false));
        return result;
    }

    private void Record(RecordedChange change)
    {
        lock (_gate)
            _log.Add(change);
    }

    private static void Apply(MemoryDevice image, RecordedChange change, long bytes)
    {
        if (change.Operation == DeviceOperation.Write)
            image.Write(change.Offset, change.Data.Span[..(int)bytes], forceUnitAccess: false);
        else if (change.Operation is DeviceOperation.Discard or DeviceOperation.WriteZeroes)
            image.Discard(change.Offset, bytes);
    }
}
