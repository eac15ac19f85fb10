using System.Runtime.InteropServices;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// What waits to be sent to one peer, and what of it may overtake what: an application's changes go before a resync's data, as far as their order cannot matter (docs/decisions/0061). Owned by
/// whoever sends on the link; not safe for threads. Allocates nothing once it has grown.
/// </summary>
/// <remarks>
/// <code>
/// resync data, hashes ─► bulk ──────────────────────────────► sent when nothing else waits
///                          │ all up to the last piece that a change overlaps (I4),
///                          ▼ or all before a message
/// everything else ───────► ordered ─────────────────────────► sent first, in the order given
/// </code>
/// Nothing else changes places: changes keep their order among themselves, over all volumes (G4), and so do messages.
/// </remarks>
public sealed class SendQueue
{
    private readonly List<Effect> _ordered = new(256);
    private readonly List<Effect> _bulk = new(32);

    /// <summary>Something waits that must keep its place.</summary>
    public bool HasOrdered => _ordered.Count > 0;

    /// <summary>Resync data waits.</summary>
    public bool HasBulk => _bulk.Count > 0;

    /// <summary>Bytes of resync data that wait; zeroes and hashes count for nothing.</summary>
    public long BulkBytes { get; private set; }

    /// <summary>Adds a Send effect; what it must not overtake gets its place before it.</summary>
    public void Add(in Effect effect)
    {
        if (IsBulk(in effect))
        {
            _bulk.Add(effect);
            BulkBytes += BytesOf(in effect);
            return;
        }

        for (int before = CountBefore(in effect); before > 0; before--)
            MoveOldestBulk(_ordered);
        _ordered.Add(effect);
    }

    /// <summary>Hands over everything that must keep its place, oldest first.</summary>
    public void TakeOrdered(List<Effect> into)
    {
        into.AddRange(CollectionsMarshal.AsSpan(_ordered));
        _ordered.Clear();
    }

    /// <summary>Hands over the oldest piece of resync data. Only while nothing that must keep its place waits: what was read later may hold newer bytes than a change that was there first.</summary>
    public void TakeBulk(List<Effect> into)
    {
        Check.That(_ordered.Count == 0 && _bulk.Count > 0, "resync data out of its turn");
        MoveOldestBulk(into);
    }

    /// <summary>Hands over everything: the link is gone.</summary>
    public void TakeAll(List<Effect> into)
    {
        TakeOrdered(into);
        while (_bulk.Count > 0)
            MoveOldestBulk(into);
    }

    private static bool IsBulk(in Effect effect) =>
        effect.Kind == EffectKind.SendResyncData || (effect.Kind == EffectKind.SendMessage && effect.Subject is ResyncHashesMessage);

    private static long BytesOf(in Effect effect) =>
        effect.Kind == EffectKind.SendResyncData && !effect.Chunk.IsZeroes ? effect.Chunk.Range.Length : 0;

    // How many pieces of resync data, from the oldest on, must be sent before it.
    private int CountBefore(in Effect effect)
    {
        switch (effect.Kind)
        {
            case EffectKind.SendChange when effect.Header.Kind == ChangeKind.Flush:
                // A barrier speaks of changes; a checkpoint speaks of resync data, and is a message.
                return 0;
            case EffectKind.SendChange:
                // The piece was read before the change: sent behind it, it would put older bytes over newer ones (I4).
                int last = _bulk.Count;
                while (last > 0 && !Overlaps(in CollectionsMarshal.AsSpan(_bulk)[last - 1], effect.Header.Volume, effect.Header.Range))
                    last--;
                return last;
            case EffectKind.SendReadReply or EffectKind.SendAck:
            case EffectKind.SendMessage when effect.Subject is AliveMessage or PeerStatusMessage:
                return 0;
            default:
                // SendStable as well: a disk that returns under a Primary tells by it which resync data is older than its changes (docs/peer-protocol.md).
                return _bulk.Count;
        }
    }

    private static bool Overlaps(in Effect bulk, VolumeNr volume, ByteRange range) => bulk.Subject is ResyncHashesMessage hashes
        ? hashes.Nr == volume && hashes.Range.Overlaps(range)
        : bulk.Chunk.Volume == volume && bulk.Chunk.Range.Overlaps(range);

    private void MoveOldestBulk(List<Effect> into)
    {
        BulkBytes -= BytesOf(in CollectionsMarshal.AsSpan(_bulk)[0]);
        into.Add(_bulk[0]);
        _bulk.RemoveAt(0);
    }
}
