namespace BlockRepl.Crash.Recording;

/// <summary>When each node is cut, by the history's clock.</summary>
internal readonly record struct CutTimes(long Alpha, long Beta)
{
    public long this[int node] => node == 0 ? Alpha : Beta;
}
