using System.Runtime.InteropServices;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Remembers since when a resource is not as it should be. It observes the states that are published, so an age may begin one publication late, never early. Owned by
/// <see cref="StatusPublisher"/>; every call is made under the resource's gate.
/// </summary>
internal sealed class StateAges
{
    // By "peer" and by "peer/volume"; only what is wrong has an entry.
    private readonly Dictionary<string, long> _since = [];

    /// <summary>Whole seconds since <paramref name="subject"/> was last seen well; 0 while it is.</summary>
    /// <param name="subject">What is looked at.</param>
    /// <param name="isWell">Whether it is well now.</param>
    /// <param name="nowMs">Monotonic milliseconds.</param>
    public long SecondsUnwell(string subject, bool isWell, long nowMs)
    {
        if (isWell)
        {
            _since.Remove(subject);
            return 0;
        }

        ref long since = ref CollectionsMarshal.GetValueRefOrAddDefault(_since, subject, out bool isKnown);
        if (!isKnown)
            since = nowMs;
        return (nowMs - since) / 1000;
    }
}
