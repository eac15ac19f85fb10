namespace BlockRepl.Crash.Recording;

/// <summary>Everything that one disk was told, and what it held before.</summary>
/// <param name="name">"alpha", "alpha.meta" and so on.</param>
/// <param name="start">The content before the first call.</param>
internal sealed class DiskLog(string name, SparseDisk start)
{
    private readonly Lock _gate = new();
    private readonly List<DiskCall> _calls = [];

    public string Name => name;

    public SparseDisk Start => start;

    /// <summary>Copies of the list, in the order in which the calls began.</summary>
    public DiskCall[] Calls
    {
        get
        {
            lock (_gate)
                return [.. _calls];
        }
    }

    /// <summary>A call begins: takes its time and its place under one lock, so that the list is in order of time.</summary>
    public DiskCall Begin(History history, DiskCallKind kind, long offset, long length, byte[] data, bool isForced)
    {
        lock (_gate)
        {
            var call = new DiskCall(kind, offset, length, data, isForced, history.Next());
            _calls.Add(call);
            return call;
        }
    }

    /// <summary>One that was read from a file.</summary>
    public void Add(DiskCall call) => _calls.Add(call);
}
