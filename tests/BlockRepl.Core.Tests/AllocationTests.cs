using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Hard parts 23 and 24: the data path of Core allocates nothing once it is warm.</summary>
public class AllocationTests
{
    private static readonly object Cookie = new();

    [Fact]
    public void Hard_part_24_a_write_and_a_flush_on_the_Primary_allocate_nothing()
    {
        ClusterHarness cluster = Warm();
        ResourceCore core = cluster.Alpha.Core;
        var effects = new EffectQueue();
        var seen = new Effect[16];
        ulong sequence = LastSequence(core, cluster.Link!.Id, effects);
        BlockBuffer buffer = cluster.Alpha.Pool.Rent(4096, BufferPurpose.Test);
        void Once()
        {
            var write = new CoreEvent
            {
                Kind = CoreEventKind.ClientChange,
                Header = new(ChangeKind.Write, default, 0, 4096, 0),
                Subject = buffer,
                Second = Cookie,
                NowMs = cluster.NowMs,
            };
            int count = Apply(core, write, effects, seen);
            Answer(core, effects, seen, count, cluster, ref sequence);
            var flush = new CoreEvent { Kind = CoreEventKind.ClientChange, Header = new(ChangeKind.Flush, default, 0, 0, 0), Second = Cookie, NowMs = cluster.NowMs };
            count = Apply(core, flush, effects, seen);
            Answer(core, effects, seen, count, cluster, ref sequence);
        }

        AssertAllocatesNothing(Once);
        buffer.Release();
        Assert.True(core.Status.IsIdle);
        cluster.AssertNothingLeaked();
    }

    [Fact]
    public void Hard_part_24_a_change_and_a_barrier_on_the_Secondary_allocate_nothing()
    {
        ClusterHarness cluster = Warm();
        ResourceCore core = cluster.Beta.Core;
        var effects = new EffectQueue();
        var seen = new Effect[16];
        ulong sequence = 1_000;
        LinkId link = cluster.Link!.Id;
        BlockBuffer buffer = cluster.Beta.Pool.Rent(4096, BufferPurpose.Test);
        void Once()
        {
            var change = new CoreEvent
            {
                Kind = CoreEventKind.PeerChange,
                Link = link,
                Sequence = new(++sequence),
                Header = new(ChangeKind.Write, default, 0, 4096, 0),
                Subject = buffer,
                NowMs = cluster.NowMs,
            };
            int count = Apply(core, change, effects, seen);
            Complete(core, effects, seen, count, cluster.NowMs);
            var barrier = new CoreEvent
            {
                Kind = CoreEventKind.PeerChange,
                Link = link,
                Sequence = new(++sequence),
                Header = new(ChangeKind.Flush, default, 0, 0, 0),
                NowMs = cluster.NowMs,
            };
            count = Apply(core, barrier, effects, seen);
            Complete(core, effects, seen, count, cluster.NowMs);
        }

        AssertAllocatesNothing(Once);
        buffer.Release();
        cluster.AssertNothingLeaked();
    }

    private static void AssertAllocatesNothing(Action once)
    {
        // Rounds, because the runtime may replace the code once more while it is measured; what allocates does so in each.
        long least = long.MaxValue;
        for (int round = 0; round < 5 && least > 0; round++)
        {
            for (int i = 0; i < 100; i++)
                once();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1_000; i++)
                once();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    private static ClusterHarness Warm()
    {
        ClusterHarness cluster = ClusterHarness.InSync();
        cluster.Write(cluster.Alpha, 0);
        cluster.Run();
        return cluster;
    }

    // A flush through Core tells the number that it has come to; its effects are answered like the others.
    private static ulong LastSequence(ResourceCore core, LinkId link, EffectQueue effects)
    {
        core.Apply(new CoreEvent { Kind = CoreEventKind.ClientChange, Header = new(ChangeKind.Flush, default, 0, 0, 0), Second = Cookie }, effects);
        ulong last = 0;
        ulong ticket = 0;
        foreach (ref Effect effect in effects.Items)
        {
            last = Math.Max(last, effect.Kind == EffectKind.SendChange ? effect.Sequence.Value : 0);
            ticket = Math.Max(ticket, effect.Ticket);
        }

        effects.Clear();
        core.Apply(new CoreEvent { Kind = CoreEventKind.LocalFlushCompleted, Number = ticket }, effects);
        core.Apply(new CoreEvent { Kind = CoreEventKind.PeerStable, Link = link, Sequence = new(last) }, effects);
        effects.Clear();
        return last;
    }

    private static int Apply(ResourceCore core, in CoreEvent e, EffectQueue effects, Effect[] seen)
    {
        core.Apply(in e, effects);
        int count = effects.Count;
        effects.Items.CopyTo(seen);
        effects.Clear();
        return count;
    }

    private static void Answer(ResourceCore core, EffectQueue effects, Effect[] seen, int count, ClusterHarness cluster, ref ulong sequence)
    {
        for (int i = 0; i < count; i++)
        {
            if (seen[i].Kind != EffectKind.SendChange)
                continue;
            sequence = seen[i].Sequence.Value;
            seen[i].Buffer?.Release();
        }

        Complete(core, effects, seen, count, cluster.NowMs);
        LinkId link = cluster.Link!.Id;
        core.Apply(new CoreEvent { Kind = CoreEventKind.PeerAck, Link = link, Sequence = new(sequence), Applied = new(sequence), NowMs = cluster.NowMs }, effects);
        core.Apply(new CoreEvent { Kind = CoreEventKind.PeerStable, Link = link, Sequence = new(sequence), NowMs = cluster.NowMs }, effects);
        effects.Clear();
    }

    private static void Complete(ResourceCore core, EffectQueue effects, Effect[] seen, int count, long nowMs)
    {
        for (int i = 0; i < count; i++)
        {
            if (seen[i].Kind == EffectKind.LocalChange)
                core.Apply(new CoreEvent { Kind = CoreEventKind.LocalChangeCompleted, Subject = seen[i].Subject, NowMs = nowMs }, effects);
            else if (seen[i].Kind == EffectKind.LocalFlush)
                core.Apply(new CoreEvent { Kind = CoreEventKind.LocalFlushCompleted, Number = seen[i].Ticket, NowMs = nowMs }, effects);
        }

        effects.Clear();
    }
}
