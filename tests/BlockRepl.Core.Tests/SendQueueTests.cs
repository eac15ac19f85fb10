using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core.Tests;

/// <summary>What may overtake what on its way to a peer (docs/decisions/0061).</summary>
public class SendQueueTests
{
    private static readonly VolumeNr V0 = new(0);
    private static readonly VolumeNr V1 = new(1);

    private readonly SendQueue _queue = new();

    [Fact]
    public void Changes_go_before_resync_data_that_they_do_not_touch()
    {
        Add(Piece(V0, 0, 4), Piece(V0, 8, 4), Change(V0, 4, 4, 1), Change(V1, 0, 64, 2), Flush(V0, 3));
        Assert.Equal(["change 1", "change 2", "change 3"], Ordered());
        Assert.Equal(["piece 0", "piece 8"], Rest());
    }

    /// <summary>I4: the piece was read before the change; and what is ahead of it keeps its place, too.</summary>
    [Theory]
    [InlineData(ChangeKind.Write)]
    [InlineData(ChangeKind.Trim)]
    [InlineData(ChangeKind.Zeroes)]
    public void I4_a_change_stays_behind_resync_data_that_it_overlaps(ChangeKind kind)
    {
        Add(Piece(V0, 0, 4), Piece(V0, 8, 4), Piece(V0, 16, 4), Change(V0, 11, 1, 1, kind), Change(V0, 40, 1, 2));
        Assert.Equal(["piece 0", "piece 8", "change 1", "change 2"], Ordered());
        Assert.Equal(["piece 16"], Rest());
    }

    /// <summary>As much for hashes: what the target compares them with must not be newer.</summary>
    [Fact]
    public void I4_a_change_stays_behind_hashes_of_what_it_overlaps()
    {
        Add(Hashes(V0, 0, 4), Hashes(V0, 8, 4), Change(V0, 3, 1, 1));
        Assert.Equal(["hashes 0", "change 1"], Ordered());
        Assert.Equal(["hashes 8"], Rest());
    }

    /// <summary>A checkpoint speaks of all data before it; so may any other message but those that speak of nothing on the way.</summary>
    [Fact]
    public void Messages_stay_behind_resync_data()
    {
        Add(Piece(V0, 0, 4), Send(new AliveMessage(default)), Send(new SyncCheckpointMessage(V0, 1)), Piece(V0, 8, 4), Change(V0, 4, 1, 1));
        Assert.Equal(["Alive", "piece 0", "SyncCheckpoint", "change 1"], Ordered());
        Assert.Equal(["piece 8"], Rest());
    }

    /// <summary>A disk that returns under a Primary tells by what is stable at the source which resync data is older than its own changes.</summary>
    [Fact]
    public void A_confirmation_that_something_is_stable_stays_behind_resync_data()
    {
        Add(Piece(V0, 0, 4), new Effect { Kind = EffectKind.SendAck }, new Effect { Kind = EffectKind.SendStable });
        Assert.Equal(["SendAck", "piece 0", "SendStable"], Ordered());
    }

    [Fact]
    public void What_waits_is_counted_and_all_of_it_is_handed_over_at_the_end()
    {
        Add(Piece(V0, 0, 4), Piece(V0, 8, 4), Change(V0, 40, 1, 1));
        Assert.Equal(8 * Block.Size, _queue.BulkBytes);
        List<Effect> all = [];
        _queue.TakeAll(all);
        Assert.Equal(["change 1", "piece 0", "piece 8"], all.Select(Name));
        Assert.Equal((false, false, 0L), (_queue.HasBulk, _queue.HasOrdered, _queue.BulkBytes));
    }

    [Fact]
    public void It_allocates_nothing_once_it_has_grown()
    {
        Effect piece = Piece(V0, 0, 4);
        Effect change = Change(V0, 40, 1, 1);
        List<Effect> taken = new(16);
        long before = 0;
        for (int i = 0; i < 2_000; i++)
        {
            if (i == 1_000)
                before = GC.GetAllocatedBytesForCurrentThread();
            _queue.Add(in piece);
            _queue.Add(in change);
            _queue.TakeOrdered(taken);
            _queue.TakeBulk(taken);
            taken.Clear();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void Add(params Effect[] effects)
    {
        foreach (Effect effect in effects)
            _queue.Add(in effect);
    }

    private string[] Ordered()
    {
        List<Effect> taken = [];
        _queue.TakeOrdered(taken);
        return [.. taken.Select(Name)];
    }

    private string[] Rest()
    {
        List<Effect> taken = [];
        while (_queue.HasBulk)
            _queue.TakeBulk(taken);
        return [.. taken.Select(Name)];
    }

    private static string Name(Effect effect) => effect.Kind switch
    {
        EffectKind.SendChange => $"change {effect.Sequence.Value}",
        EffectKind.SendResyncData => $"piece {effect.Chunk.Range.FirstBlock}",
        EffectKind.SendMessage when effect.Message is ResyncHashesMessage hashes => $"hashes {hashes.Range.FirstBlock}",
        EffectKind.SendMessage => effect.Message.Kind.ToString(),
        _ => effect.Kind.ToString(),
    };

    private static ByteRange Blocks(long first, long count) => new(first << Block.Shift, count << Block.Shift);

    private static Effect Piece(VolumeNr volume, long first, long count) =>
        new() { Kind = EffectKind.SendResyncData, Subject = new ResyncChunk { Volume = volume, Range = Blocks(first, count) } };

    private static Effect Hashes(VolumeNr volume, long first, long count) =>
        Send(new ResyncHashesMessage(volume, 1, Blocks(first, count), new byte[count * BlockHash.Length]));

    private static Effect Send(PeerMessage message) => new() { Kind = EffectKind.SendMessage, Subject = message };

    private static Effect Change(VolumeNr volume, long first, long count, ulong sequence, ChangeKind kind = ChangeKind.Write) => new()
    {
        Kind = EffectKind.SendChange,
        Sequence = new SequenceNumber(sequence),
        Header = new ChangeHeader(kind, volume, first << Block.Shift, count << Block.Shift, ChangeFlags.None),
    };

    private static Effect Flush(VolumeNr volume, ulong sequence) =>
        new() { Kind = EffectKind.SendChange, Sequence = new SequenceNumber(sequence), Header = new ChangeHeader(ChangeKind.Flush, volume, 0, 0, ChangeFlags.None) };
}
