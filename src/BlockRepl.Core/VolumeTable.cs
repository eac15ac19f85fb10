using System.Collections;
using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// The volumes of a resource. Going through it gives those that the resource has now; looking one up by its number finds also those that are leaving or gone, for what of
/// theirs is still under way. A number is never used again while the resource is up.
/// </summary>
/// <remarks>Under the gate. Going through it allocates nothing, and what is added or taken away meanwhile does not disturb.</remarks>
internal sealed class VolumeTable : IEnumerable<Volume>
{
    private Volume[] _byNumber = [];
    private Volume[] _present = [];

    /// <summary>How many volumes the resource has now.</summary>
    public int Length => _present.Length;

    /// <summary>The volume that has, or had, this number.</summary>
    public Volume this[int number] => _byNumber[number];

    /// <summary>The number that the next volume gets.</summary>
    public VolumeNr NextNr => new(checked((ushort)_byNumber.Length));

    /// <summary>Adds a volume, whose number must be <see cref="NextNr"/>.</summary>
    public void Add(Volume volume)
    {
        Check.That(volume.Nr == NextNr, "volumes are numbered in the order in which they come");
        _byNumber = [.. _byNumber, volume];
        _present = [.. _present, volume];
    }

    /// <summary>The resource does not have this volume any more; its number still finds it.</summary>
    public void Remove(Volume volume) => _present = Array.FindAll(_present, other => other != volume);

    /// <summary>Whether the resource has a volume of which this is true.</summary>
    public bool Exists(Predicate<Volume> match) => Array.Exists(_present, match);

    /// <summary>The volume of this name that the resource has now; null if there is none.</summary>
    public Volume? Find(string name) => Array.Find(_present, volume => volume.Name == name);

    /// <summary>The first volume that the resource has and of which this is true; null if there is none.</summary>
    public Volume? Find(Predicate<Volume> match) => Array.Find(_present, match);

    /// <summary>Whether this is true of every volume that the resource has.</summary>
    public bool TrueForAll(Predicate<Volume> match) => Array.TrueForAll(_present, match);

    public Enumerator GetEnumerator() => new(_present);

    IEnumerator<Volume> IEnumerable<Volume>.GetEnumerator() => ((IEnumerable<Volume>)_present).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _present.GetEnumerator();

    public struct Enumerator(Volume[] volumes)
    {
        private int _next;

        public Volume Current { get; private set; } = null!;

        public bool MoveNext()
        {
            if (_next == volumes.Length)
                return false;
            Current = volumes[_next++];
            return true;
        }
    }
}
