namespace BlockRepl.Daemon.Replication;

/// <summary>How often something was found that its checksum does not fit, and what it was last (G10). Any thread.</summary>
internal sealed class MismatchCount
{
    private readonly Lock _lock = new();
    private long _count;
    private string? _last;

    /// <summary>One more.</summary>
    public void Add(string what)
    {
        string at = DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        lock (_lock)
        {
            _count++;
            _last = $"{what} at {at}";
        }
    }

    /// <summary>How many, and the last one with its time; null if there was none.</summary>
    public (long Count, string? Last) Read()
    {
        lock (_lock)
            return (_count, _last);
    }
}
