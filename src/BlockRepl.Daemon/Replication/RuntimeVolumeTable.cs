using System.Collections;
using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// The volumes of a resource at work, as <see cref="ResourceCore"/> numbers them: going through it gives those that the resource has now, a number finds also one that is leaving or gone. Any
/// thread may read; a reader keeps what it began with. One command at a time changes it.
/// </summary>
internal sealed class RuntimeVolumeTable(IEnumerable<RuntimeVolume> volumes) : IReadOnlyList<RuntimeVolume>
{
    private volatile State _state = new([.. volumes], [.. volumes]);

    private sealed record State(RuntimeVolume[] ByNumber, RuntimeVolume[] Present);

    /// <summary>How many volumes the resource has now.</summary>
    public int Length => _state.Present.Length;

    /// <inheritdoc/>
    public int Count => Length;

    /// <summary>The volume that has, or had, this number.</summary>
    public RuntimeVolume this[int number] => _state.ByNumber[number];

    /// <summary>The disk of one of them takes many requests at once, and has none.</summary>
    public bool HasQueueAtRest
    {
        get
        {
            foreach (RuntimeVolume volume in _state.Present)
            {
                if (volume.HasQueueAtRest)
                    return true;
            }

            return false;
        }
    }

    /// <summary>The number that the next volume gets.</summary>
    public VolumeNr NextNr => new(checked((ushort)_state.ByNumber.Length));

    public void Add(RuntimeVolume volume) => _state = new State([.. _state.ByNumber, volume], [.. _state.Present, volume]);

    public void Remove(RuntimeVolume volume) => _state = _state with { Present = Array.FindAll(_state.Present, other => other != volume) };

    /// <inheritdoc/>
    public IEnumerator<RuntimeVolume> GetEnumerator() => ((IEnumerable<RuntimeVolume>)_state.Present).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
