using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>Who is resynced from whom (G7, hard parts 18 and 19; DRBD's two-node table).</summary>
public class SyncDecisionTests
{
    private static readonly GenerationFacts Facts = new()
    {
        Node = "alpha",
        Role = Role.Secondary,
        DiskState = DiskState.UpToDate,
        Current = new(0x10),
        Bitmap = GenerationId.None,
        History = [],
        DirtyBlocks = 0,
    };

    private static readonly DiskState[] DiskStates = [DiskState.Inconsistent, DiskState.Outdated, DiskState.Consistent, DiskState.UpToDate];

    private static readonly GenerationFacts Fresh = Facts with { Current = GenerationId.JustCreated, DiskState = DiskState.Inconsistent };

    public static TheoryData<int, string, GenerationFacts, GenerationFacts, SyncResult> Rows => new()
    {
        { 10, "both fresh", Fresh, Fresh, SyncResult.None },
        { 20, "self fresh", Fresh, Facts, SyncResult.TargetFull },
        { 30, "peer fresh", Facts, Fresh, SyncResult.SourceFull },
        { 34, "self missed the end as source", Facts with { Bitmap = new(0x20) }, Facts with { History = [new(0x20)] }, SyncResult.SourceBitmap },
        { 35, "peer missed the end as source", Facts with { History = [new(0x20)] }, Facts with { Bitmap = new(0x20) }, SyncResult.TargetBitmap },
        { 36, "peer never wrote the begin", Facts with { Bitmap = new(0x20) }, Facts, SyncResult.SourceBitmap },
        { 37, "self never wrote the begin", Facts, Facts with { Bitmap = new(0x20) }, SyncResult.TargetBitmap },
        { 40, "equal", Facts, Facts, SyncResult.None },
        { 40, "self crashed as Primary", Facts with { CrashedPrimary = true }, Facts, SyncResult.SourceBitmap },
        { 40, "self crashed as Primary and lost its cache", Facts with { CrashedPrimary = true, LostPower = true }, Facts, SyncResult.TargetBitmap },
        { 40, "self crashed as Primary, both lost their caches", Facts with { CrashedPrimary = true, LostPower = true }, Facts with { LostPower = true }, SyncResult.SourceBitmap },
        { 40, "both crashed as Primary, self lost its cache", Facts with { CrashedPrimary = true, LostPower = true }, Facts with { CrashedPrimary = true }, SyncResult.TargetBitmap },
        { 40, "both crashed", Facts with { CrashedPrimary = true }, Facts with { CrashedPrimary = true }, SyncResult.SourceBitmap },
        { 41, "self is Primary again", Facts with { Role = Role.Primary, DirtyBlocks = 1 }, Facts with { CrashedPrimary = true }, SyncResult.SourceBitmap },
        { 41, "peer is Primary", Facts with { CrashedPrimary = true }, Facts with { Role = Role.Primary }, SyncResult.TargetBitmap },
        { 41, "both are Primary", Facts with { Role = Role.Primary, DirtyBlocks = 1 }, Facts with { Role = Role.Primary }, SyncResult.Impossible },
        { 42, "self has marks", Facts with { DirtyBlocks = 1 }, Facts, SyncResult.SourceBitmap },
        { 42, "both have marks", Facts with { DirtyBlocks = 1 }, Facts with { DirtyBlocks = 1 }, SyncResult.SourceBitmap },
        { 50, "peer went on", Facts, Facts with { Current = new(0x20), Bitmap = new(0x10) }, SyncResult.TargetBitmap },
        { 70, "self went on", Facts with { Current = new(0x20), Bitmap = new(0x10) }, Facts, SyncResult.SourceBitmap },
        { 51, "self missed the end", Facts, Facts with { Current = new(0x20), History = [new(0x10)] }, SyncResult.TargetBitmap },
        { 71, "peer missed the end", Facts with { Current = new(0x20), History = [new(0x10)] }, Facts, SyncResult.SourceBitmap },
        { 60, "peer went on long ago", Facts, Facts with { Current = new(0x20), History = [new(0x30), new(0x10)] }, SyncResult.TargetFull },
        { 80, "self went on long ago", Facts with { Current = new(0x20), History = [new(0x30), new(0x10)] }, Facts, SyncResult.SourceFull },
        { 90, "both went on", Facts with { Bitmap = new(0x40) }, Facts with { Current = new(0x20), Bitmap = new(0x40) }, SyncResult.SplitBrain },
        { 90, "both went on, one missed the begin of a resync", Facts with { Bitmap = new(0x40) }, Facts with { Current = new(0x20), Bitmap = new(0x50), History = [new(0x40)] }, SyncResult.SplitBrain },
        { 90, "both went on, one is Inconsistent since", Facts with { Bitmap = new(0x40) }, Facts with { Current = new(0x20), Bitmap = new(0x40), DiskState = DiskState.Inconsistent }, SyncResult.SourceBitmap },
        { 100, "both went on long ago, one is Inconsistent since", Facts with { History = [new(0x40)] }, Facts with { Current = new(0x20), History = [new(0x50), new(0x40)], DiskState = DiskState.Inconsistent }, SyncResult.SourceFull },
        { 100, "each claims to have gone on from the other", Facts with { Bitmap = new(0x20) }, Facts with { Current = new(0x20), History = [new(0x30), new(0x10)] }, SyncResult.SplitBrain },
        { 100, "the same, and the peer speaks version 1", Facts with { Bitmap = new(0x40), IsVersion1 = true }, Facts with { Current = new(0x20), Bitmap = new(0x50), History = [new(0x40)], IsVersion1 = true }, SyncResult.SplitBrain },
        { 100, "both went on long ago", Facts with { History = [new(0x40)] }, Facts with { Current = new(0x20), History = [new(0x50), new(0x40)] }, SyncResult.SplitBrain },
        { 70, "the source is Inconsistent, as is the target", Facts with { Current = new(0x20), Bitmap = new(0x10), DiskState = DiskState.Inconsistent }, Facts with { DiskState = DiskState.Inconsistent }, SyncResult.Impossible },
        { 20, "fresh, and the source is Inconsistent", Fresh, Facts with { DiskState = DiskState.Inconsistent }, SyncResult.Impossible },
        { 50, "the target is Primary", Facts with { Role = Role.Primary }, Facts with { Current = new(0x20), Bitmap = new(0x10) }, SyncResult.Impossible },
        { 70, "this side went on and is Inconsistent since", Facts with { Current = new(0x20), Bitmap = new(0x10), DiskState = DiskState.Inconsistent }, Facts, SyncResult.TargetFull },
        { 70, "marks are incomplete", Facts with { Current = new(0x20), Bitmap = new(0x10), FullSyncNeeded = true }, Facts, SyncResult.SourceFull },
        { 40, "equal, but one is Inconsistent", Facts with { DiskState = DiskState.Inconsistent }, Facts, SyncResult.TargetBitmap },
        { 1000, "strangers, one of them Inconsistent", Facts with { DiskState = DiskState.Inconsistent }, Facts with { Current = new(0x20) }, SyncResult.Unrelated },
        { 1000, "strangers", Facts, Facts with { Current = new(0x20) }, SyncResult.Unrelated },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public void Each_rule_of_the_table_holds_from_both_sides(int rule, string when, GenerationFacts self, GenerationFacts peer, SyncResult expected)
    {
        peer = peer with { Node = "beta" };
        SyncVerdict verdict = SyncDecision.Decide(self, peer);
        Assert.True(expected == verdict.Result && rule == verdict.Rule, $"{when}: {verdict}");
        Assert.Equal(verdict.Mirrored, SyncDecision.Decide(peer, self).Result);
    }

    /// <summary>Hard part 19: every combination of generations over three ids, with flags drawn anew for each.</summary>
    [Fact]
    public void Both_nodes_reach_mirrored_verdicts_from_every_combination_of_generations()
    {
        GenerationId[] ids = [new(0x10), new(0x20), new(0x30)];
        List<GenerationFacts> all = [];
        foreach (GenerationId current in ids.Prepend(GenerationId.JustCreated))
        {
            foreach (GenerationId bitmap in ids.Prepend(GenerationId.None))
            {
                all.Add(Facts with { Current = current, Bitmap = bitmap });
                foreach (GenerationId first in ids)
                {
                    all.Add(Facts with { Current = current, Bitmap = bitmap, History = [first] });
                    all.AddRange(ids.Where(second => second != first).Select(second =>
                        Facts with { Current = current, Bitmap = bitmap, History = [first, second] }));
                }
            }
        }

        var chance = new Prng(22);
        foreach (GenerationFacts a in all)
        {
            foreach (GenerationFacts b in all)
                AssertMirrored(WithFlags(a, chance, "alpha"), WithFlags(b, chance, "beta"));
        }
    }

    /// <summary>Hard part 19: every combination of roles, disk states and flags, with each outcome of the generations.</summary>
    [Fact]
    public void Both_nodes_reach_mirrored_verdicts_from_every_combination_of_flags()
    {
        (GenerationFacts, GenerationFacts)[] pairs =
        [
            (Facts, Facts),
            (Facts, Facts with { Bitmap = new(0x20) }),
            (Facts, Facts with { Current = new(0x20), Bitmap = new(0x10) }),
            (Facts with { Bitmap = new(0x40) }, Facts with { Current = new(0x20), Bitmap = new(0x40) }),
            (Facts with { History = [new(0x40)] }, Facts with { Current = new(0x20), History = [new(0x50), new(0x40)] }),
            (Facts with { Current = GenerationId.JustCreated }, Facts),
        ];
        for (int flags = 0; flags < 1 << 14; flags++)
        {
            foreach ((GenerationFacts a, GenerationFacts b) in pairs)
                AssertMirrored(WithFlags(a, flags & 127, "alpha"), WithFlags(b, flags >> 7, "beta"));
        }
    }

    [Fact]
    public void Hard_part_19_both_nodes_reach_mirrored_verdicts_from_any_facts()
    {
        var chance = new Prng(20);
        for (int i = 0; i < 200_000; i++)
        {
            GenerationFacts a = Random(chance, "alpha");
            GenerationFacts b = Random(chance, "beta");
            AssertMirrored(a, b);
        }
    }

    /// <summary>I12, G6: whatever the generations say, good data is not overwritten by bad, and a Primary by nobody.</summary>
    [Fact]
    public void No_verdict_overwrites_a_Primary_or_good_data_with_Inconsistent_data()
    {
        var chance = new Prng(21);
        for (int i = 0; i < 200_000; i++)
        {
            GenerationFacts a = Random(chance, "alpha");
            GenerationFacts b = Random(chance, "beta");
            SyncVerdict verdict = SyncDecision.Decide(a, b);
            Assert.False(verdict.IsTarget && a.Role == Role.Primary);
            Assert.False(verdict.IsSource && a.DiskState == DiskState.Inconsistent);
            Assert.False(verdict.Result == SyncResult.None && a.DiskState == DiskState.Inconsistent != (b.DiskState == DiskState.Inconsistent));
        }
    }

    [Fact]
    public void A_named_victim_resolves_a_split_brain_and_nothing_else()
    {
        GenerationFacts self = Facts with { Bitmap = new(0x40) };
        GenerationFacts peer = Facts with { Node = "beta", Current = new(0x20), Bitmap = new(0x40) };
        Assert.Equal(SyncResult.TargetBitmap, SyncDecision.Decide(self with { DiscardMyData = true }, peer).Result);
        Assert.Equal(SyncResult.SourceBitmap, SyncDecision.Decide(self, peer with { DiscardMyData = true }).Result);
        Assert.Equal(SyncResult.SplitBrain, SyncDecision.Decide(self with { DiscardMyData = true }, peer with { DiscardMyData = true }).Result);
        Assert.Equal(SyncResult.Unrelated, SyncDecision.Decide(Facts with { DiscardMyData = true }, Facts with { Node = "beta", Current = new(0x20) }).Result);
        Assert.Equal(SyncResult.None, SyncDecision.Decide(Facts with { DiscardMyData = true }, Facts with { Node = "beta" }).Result);
    }

    private static void AssertMirrored(GenerationFacts a, GenerationFacts b)
    {
        SyncVerdict mine = SyncDecision.Decide(a, b);
        SyncVerdict theirs = SyncDecision.Decide(b, a);
        if (mine.Mirrored != theirs.Result || mine.ResolvesSplitBrain != theirs.ResolvesSplitBrain)
            Assert.Fail($"{a}\n{b}\n{mine}\n{theirs}");
    }

    private static GenerationFacts WithFlags(GenerationFacts facts, Prng chance, string node) => WithFlags(facts, chance.Below(128), node);

    private static GenerationFacts WithFlags(GenerationFacts facts, int flags, string node) => facts with
    {
        Node = node,
        Role = (flags & 1) != 0 ? Role.Primary : Role.Secondary,
        DiskState = (flags & 2) != 0 ? DiskState.Inconsistent : DiskState.UpToDate,
        CrashedPrimary = (flags & 4) != 0,
        LostPower = (flags & 8) != 0,
        FullSyncNeeded = (flags & 16) != 0,
        DiscardMyData = (flags & 32) != 0,
        DirtyBlocks = (flags & 64) != 0 ? 1 : 0,
    };

    private static GenerationFacts Random(Prng chance, string node) => new()
    {
        Node = node,
        Role = chance.OneIn(3) ? Role.Primary : Role.Secondary,
        DiskState = DiskStates[chance.Below(DiskStates.Length)],
        Current = chance.OneIn(6) ? GenerationId.JustCreated : Generation(chance),
        Bitmap = chance.OneIn(2) ? GenerationId.None : Generation(chance),
        History = [.. Enumerable.Range(0, chance.Below(4)).Select(_ => Generation(chance))],
        DirtyBlocks = chance.Below(2),
        CrashedPrimary = chance.OneIn(3),
        LostPower = chance.OneIn(3),
        FullSyncNeeded = chance.OneIn(4),
        DiscardMyData = chance.OneIn(4),
    };

    private static GenerationId Generation(Prng chance) => new((ulong)(1 + chance.Below(6)) << 4);
}
