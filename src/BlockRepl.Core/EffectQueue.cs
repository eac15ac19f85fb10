
namespace BlockRepl.Core;

/// <summary>
/// Effects in the order in which they were emitted. Owned by the carrier: it passes its own queue to <see cref="ResourceCore.Apply"/> under the
/// resource's gate and carries the effects out after leaving it. Reused; allocates only to grow.
/// </summary>
public sealed class EffectQueue
{
    private Effect[] _items = new Effect[64];
    private int _count;

    /// <summary>Effects not yet cleared.</summary>
    public int Count => _count;

    /// <summary>The effects, by reference; valid until the next <see cref="Add"/>.</summary>
    public Span<Effect> Items => _items.AsSpan(0, _count);

    /// <summary>Appends an empty effect of a kind and returns it for filling in.</summary>
    public ref Effect Add(EffectKind kind)
    {
        if (_count == _items.Length)
            Array.Resize(ref _items, _items.Length * 2);
        ref Effect effect = ref _items[_count++];
        effect = default;
        effect.Kind = kind;
        return ref effect;
    }

    /// <summary>Forgets all effects; they have been carried out.</summary>
    public void Clear()
    {
        _items.AsSpan(0, _count).Clear();
        _count = 0;
    }
}
