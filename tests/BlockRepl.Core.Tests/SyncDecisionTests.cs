using BlockRepl.Sim;
using BlockRepl.Primitives;

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
        { 34, "self tracks still", Facts with { Bitmap = new(0x20) }, Facts, SyncResult.SourceBitmap },
        { 36, "peer tracks still", Facts, Facts with { Bitmap = new(0x20) }, SyncResult.TargetBitmap },
        { 40, "equal", Facts, Facts, SyncResult.None },
        { 40, "self crashed as Primary", Facts with { CrashedPrimary = true }, Facts, SyncResult.SourceBitmap },
        { 40, "self crashed as Primary and lost its cache", Facts with { CrashedPrimary = true, LostPower = true }, Facts, SyncResult.TargetBitmap },
        { 40, "self crashed as Primary, both lost their caches", Facts with { CrashedPrimary = true, LostPower = true }, Facts with { LostPower = true }, SyncResult.SourceBitmap },
        { 40, "both crashed", Facts with { CrashedPrimary = true }, Facts with { CrashedPrimary = true }, SyncResult.SourceBitmap },
        { 41, "self is Primary again", Facts with { Role = Role.Primary, DirtyBlocks = 1 }, Facts with { CrashedPrimary = true }, SyncResult.SourceBitmap },
        { 41, "peer is Primary", Facts with { CrashedPrimary = true }, Facts with { Role = Role.Primary }, SyncResult.TargetBitmap },
        { 41, "both are Primary", Facts with { Role = Role.Primary, DirtyBlocks = 1 }, Facts with { Role = Role.Primary }, SyncResult.SplitBrain },
        { 42, "self has marks", Facts with { DirtyBlocks = 1 }, Facts, SyncResult.SourceBitmap },
        { 42, "both have marks", Facts with { DirtyBlocks = 1 }, Facts with { DirtyBlocks = 1 }, SyncResult.SourceBitmap },
        { 50, "peer went on", Facts, Facts with { Current = new(0x20), Bitmap = new(0x10) }, SyncResult.TargetBitmap },
        { 70, "self went on", Facts with { Current = new(0x20), Bitmap = new(0x10) }, Facts, SyncResult.SourceBitmap },
        { 51, "self missed the end", Facts, Facts with { Current = new(0x20), History = [new(0x10)] }, SyncResult.TargetBitmap },
        { 71, "peer missed the end", Facts with { Current = new(0x20), History = [new(0x10)] }, Facts, SyncResult.SourceBitmap },
        { 60, "peer went on long ago", Facts, Facts with { Current = new(0x20), History = [new(0x30), new(0x10)] }, SyncResult.TargetFull },
        { 80, "self went on long ago", Facts with { Current = new(0x20), History = [new(0x30), new(0x10)] }, Facts, SyncResult.SourceFull },
        { 90, "both went on", Facts with { Bitmap = new(0x40) }, Facts with { Current = new(0x20), Bitmap = new(0x40) }, SyncResult.SplitBrain },
        { 100, "both went on long ago", Facts with { History = [new(0x40)] }, Facts with { Current = new(0x20), History = [new(0x50), new(0x40)] }, SyncResult.SplitBrain },
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

    [Fact]
    public void Both_nodes_reach_mirrored_verdicts_from_any_facts()
    {
        var chance = new Prng(20);
        for (int i = 0; i < 200_000; i++)
        {
            GenerationFacts a = Random(chance, "alpha");
            GenerationFacts b = Random(chance, "beta");
            SyncVerdict mine = SyncDecision.Decide(a, b);
            SyncVerdict theirs = SyncDecision.Decide(b, a);
            Assert.True(mine.Mirrored == theirs.Result, $"{a}\n{b}\n{mine}\n{theirs}");
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
