namespace BlockRepl.Device;

/// <summary>
/// Recognises reads that go on where the last one ended, and says what to ask the kernel for ahead of them. Its own read-ahead is off
/// (<see cref="BufferedFileDevice"/> says why). One stream at a time is followed: several at once look like random reads, and are left alone.
/// </summary>
/// <remarks>Thread-safe without a lock: what threads overwrite of each other is a hint's memory, and a wrong hint costs a few pages.</remarks>
internal sealed class ReadAhead
{
    /// <summary>Bytes that must have been read in a row before anything is asked for.</summary>
    public const long RunBytesMin = 256 << 10;

    /// <summary>Bytes that are asked for at a time.</summary>
    public const long WindowBytes = 1 << 20;

    private long _end = -1;
    private long _runBytes;
    private long _askedEnd;

    /// <summary>A read is about to be made. Returns how many bytes to ask for from <paramref name="askFrom"/> on; mostly 0.</summary>
    public long Note(long offset, long length, out long askFrom)
    {
        long end = offset + length;
        bool goesOn = offset == Volatile.Read(ref _end);
        Volatile.Write(ref _end, end);
        long run = goesOn ? Volatile.Read(ref _runBytes) + length : length;
        Volatile.Write(ref _runBytes, run);
        if (!goesOn)
            Volatile.Write(ref _askedEnd, 0);
        askFrom = Math.Max(end, Volatile.Read(ref _askedEnd));

        // Half a window before the stream gets there, so that the disk has a head start.
        if (run < RunBytesMin || askFrom - end > WindowBytes / 2)
            return 0;
        Volatile.Write(ref _askedEnd, askFrom + WindowBytes);
        return WindowBytes;
    }
}
