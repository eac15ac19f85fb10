using BlockRepl.Primitives;

namespace BlockRepl.Core.Tests;

/// <summary>Who loses its changes in a split brain (G7; DRBD's after-sb policies, research section 1.3).</summary>
public class SplitBrainPolicyTests
{
    private static readonly GenerationFacts Alpha = new()
    {
        Node = "alpha",
        Role = Role.Secondary,
        DiskState = DiskState.UpToDate,
        Current = new(0x10),
        Bitmap = new(0x40),
        History = [],
        DirtyBlocks = 5,
    };

    private static readonly GenerationFacts Beta = Alpha with { Node = "beta", Current = new(0x20), DirtyBlocks = 9 };

    private static readonly SplitBrainPolicies LeastChanges = new() { NoPrimary = AfterSplitBrain0Pri.DiscardLeastChanges };

    public static TheoryData<string, SplitBrainPolicies, GenerationFacts, GenerationFacts, string?> NoPrimary => new()
    {
        { "default", SplitBrainPolicies.Default, Alpha, Beta, null },
        { "least", LeastChanges, Alpha, Beta, "alpha" },
        { "least, the other way", LeastChanges, Alpha with { DirtyBlocks = 10 }, Beta, "beta" },
        { "least, a tie", LeastChanges, Alpha with { DirtyBlocks = 9 }, Beta, "beta" },
        { "zero, both wrote", new() { NoPrimary = AfterSplitBrain0Pri.DiscardZeroChanges }, Alpha, Beta, null },
        { "zero, alpha wrote nothing", new() { NoPrimary = AfterSplitBrain0Pri.DiscardZeroChanges }, Alpha with { DirtyBlocks = 0 }, Beta, "alpha" },
        { "zero, nobody wrote", new() { NoPrimary = AfterSplitBrain0Pri.DiscardZeroChanges }, Alpha with { DirtyBlocks = 0 }, Beta with { DirtyBlocks = 0 }, "beta" },
        { "younger", new() { NoPrimary = AfterSplitBrain0Pri.DiscardYoungerPrimary }, Alpha with { WasPrimaryAtSplit = true }, Beta, "beta" },
        { "older", new() { NoPrimary = AfterSplitBrain0Pri.DiscardOlderPrimary }, Alpha, Beta with { WasPrimaryAtSplit = true }, "beta" },
        { "younger, not known", new() { NoPrimary = AfterSplitBrain0Pri.DiscardYoungerPrimary }, Alpha, Beta, "alpha" },
        { "older, both say so", new() { NoPrimary = AfterSplitBrain0Pri.DiscardOlderPrimary }, Alpha with { WasPrimaryAtSplit = true }, Beta with { WasPrimaryAtSplit = true }, "alpha" },
        { "node", new() { NoPrimary = AfterSplitBrain0Pri.DiscardNode, DiscardNode = "beta" }, Alpha, Beta, "beta" },
        { "a node that is neither", new() { NoPrimary = AfterSplitBrain0Pri.DiscardNode, DiscardNode = "gamma" }, Alpha, Beta, null },
        { "a person beats the policy", LeastChanges, Alpha, Beta with { DiscardMyData = true }, "beta" },
        { "found only in history", LeastChanges, Alpha with { Bitmap = GenerationId.None, History = [new(0x40)] }, Beta, null },
        { "found only in history, always", LeastChanges with { Always = true }, Alpha with { Bitmap = GenerationId.None, History = [new(0x30), new(0x40)] }, Beta, "alpha" },
    };

    public static TheoryData<string, AfterSplitBrain1Pri, GenerationFacts, GenerationFacts, string?, string?> OnePrimary => new()
    {
        { "default", AfterSplitBrain1Pri.Disconnect, Alpha, Beta with { Role = Role.Primary }, null, null },
        { "consensus", AfterSplitBrain1Pri.Consensus, Alpha, Beta with { Role = Role.Primary }, "alpha", null },
        { "no consensus", AfterSplitBrain1Pri.Consensus, Alpha with { Role = Role.Primary }, Beta, null, null },
        { "the Secondary, although it changed more", AfterSplitBrain1Pri.DiscardSecondary, Alpha with { Role = Role.Primary }, Beta, "beta", null },
        { "call, the Secondary loses", AfterSplitBrain1Pri.CallPrimaryLost, Alpha, Beta with { Role = Role.Primary }, "alpha", null },
        { "call, the Primary loses", AfterSplitBrain1Pri.CallPrimaryLost, Alpha with { Role = Role.Primary }, Beta, null, "alpha" },
    };

    [Theory]
    [MemberData(nameof(NoPrimary))]
    public void Without_a_Primary_after_sb_0pri_names_the_victim(string when, SplitBrainPolicies policies, GenerationFacts self, GenerationFacts peer, string? victim) =>
        AssertVictim(when, policies, self, peer, victim, null);

    [Theory]
    [MemberData(nameof(OnePrimary))]
    public void With_one_Primary_after_sb_1pri_decides(
        string when, AfterSplitBrain1Pri policy, GenerationFacts self, GenerationFacts peer, string? victim, string? primaryLost) =>
        AssertVictim(when, LeastChanges with { OnePrimary = policy }, self, peer, victim, primaryLost);

    [Fact]
    public void With_two_Primaries_nobody_is_overwritten_and_the_one_that_lost_is_named()
    {
        GenerationFacts self = Alpha with { Role = Role.Primary };
        GenerationFacts peer = Beta with { Role = Role.Primary };
        AssertVictim("default", LeastChanges, self, peer, null, null);
        AssertVictim("call", LeastChanges with { TwoPrimaries = AfterSplitBrain2Pri.CallPrimaryLost }, self, peer, null, "alpha");
    }

    [Fact]
    public void A_resolution_copies_marked_blocks_or_everything_if_found_only_in_history()
    {
        var policies = new SplitBrainPolicies { NoPrimary = AfterSplitBrain0Pri.DiscardLeastChanges, Always = true };
        Assert.Equal(SyncResult.TargetBitmap, Decide(policies, (Alpha, Beta))[0].Result);
        Assert.Equal(SyncResult.TargetFull, Decide(policies, (Alpha with { Bitmap = GenerationId.None, History = [new(0x30), new(0x40)] }, Beta))[0].Result);
        Assert.Equal(SyncResult.TargetFull, Decide(policies, (Alpha with { FullSyncNeeded = true }, Beta))[0].Result);
    }

    /// <summary>Hard part 19, and no Primary is ever overwritten, whatever the policies say.</summary>
    [Fact]
    public void Both_nodes_name_the_same_victim_under_every_policy_and_never_a_Primary()
    {
        foreach (SplitBrainPolicies policies in AllPolicies())
        {
            for (int bits = 0; bits < 1 << 10; bits++)
            {
                GenerationFacts a = Vary(Alpha, bits & 31);
                GenerationFacts b = Vary(Beta, bits >> 5);
                SyncVerdict mine = Decide(policies, (a, b))[0];
                SyncVerdict theirs = Decide(policies, (b, a))[0];
                if (mine.Mirrored != theirs.Result || mine.PrimaryLost != theirs.PrimaryLost || mine.ResolvesSplitBrain != theirs.ResolvesSplitBrain)
                    Assert.Fail($"{policies.Text}\n{a}\n{b}\n{mine}\n{theirs}");
                Assert.False(mine.IsTarget && a.Role == Role.Primary || mine.IsSource && b.Role == Role.Primary);
                Assert.True(mine.PrimaryLost is null || (mine.PrimaryLost == "alpha" ? a : b).Role == Role.Primary);
            }
        }
    }

    /// <summary>G4, G7: DRBD would copy each volume the other way and leave a mixture of both histories on both nodes.</summary>
    [Fact]
    public void G7_each_side_alone_on_another_volume_is_a_split_brain()
    {
        GenerationFacts old = Alpha with { Bitmap = GenerationId.None, DirtyBlocks = 0 };
        GenerationFacts ahead = Alpha with { Current = new(0x50), Bitmap = new(0x10) };
        (GenerationFacts, GenerationFacts)[] volumes = [(ahead, old with { Node = "beta" }), (old, ahead with { Node = "beta", DirtyBlocks = 1 })];
        Assert.All(Decide(SplitBrainPolicies.Default, volumes), static verdict => Assert.Equal((SyncResult.SplitBrain, 91), (verdict.Result, verdict.Rule)));

        // A victim is the victim on both: its own changes go, those of the other come.
        SyncVerdict[] resolved = Decide(LeastChanges, volumes);
        Assert.All(resolved, static verdict => Assert.Equal(SyncResult.SourceBitmap, verdict.Result));
        Assert.Equal([false, true], resolved.Select(verdict => verdict.ResolvesSplitBrain));
    }

    [Fact]
    public void G4_the_victim_of_one_volume_is_the_victim_of_all()
    {
        // Alpha changed fewer blocks on the first volume and more on both together.
        (GenerationFacts, GenerationFacts)[] volumes = [(Alpha, Beta), (Alpha with { DirtyBlocks = 100 }, Beta)];
        Assert.All(Decide(LeastChanges, volumes), static verdict => Assert.Equal(SyncResult.SourceBitmap, verdict.Result));

        // It went on alone on the second one.
        volumes[1] = (Alpha with { Current = new(0x50), Bitmap = new(0x20), DirtyBlocks = 0 }, Beta with { Bitmap = GenerationId.None, DirtyBlocks = 0 });
        SyncVerdict[] verdicts = Decide(LeastChanges, volumes);
        Assert.All(verdicts, static verdict => Assert.True(verdict is { Result: SyncResult.TargetBitmap, ResolvesSplitBrain: true }));
    }

    [Fact]
    public void A_side_with_an_Inconsistent_volume_cannot_win_a_split_brain()
    {
        (GenerationFacts, GenerationFacts)[] volumes = [(Alpha, Beta), (Alpha with { Bitmap = GenerationId.None }, Beta with { Current = new(0x50), Bitmap = new(0x10), DiskState = DiskState.Inconsistent })];
        SyncVerdict verdict = Decide(LeastChanges, volumes)[1];
        Assert.Equal(SyncResult.SplitBrain, verdict.Result);
        Assert.Contains("alpha cannot be the one", verdict.Reason, StringComparison.Ordinal);
        volumes[0].Item2 = Beta with { DiscardMyData = true };
        volumes[1].Item2 = volumes[1].Item2 with { DiscardMyData = true };
        Assert.All(Decide(LeastChanges, volumes), static result => Assert.True(result.IsSource));
    }

    [Fact]
    public void Policies_have_a_text_that_tells_them_apart()
    {
        List<SplitBrainPolicies> all = [.. AllPolicies()];
        Assert.Equal(all.Count, all.Select(policies => policies.Text).Distinct().Count());
        Assert.Equal("", SplitBrainPolicies.Default.Text);
        Assert.Equal(
            "after-sb-0pri discard-node-beta, after-sb-1pri consensus, after-sb-2pri call-pri-lost-after-sb, always-asbp yes",
            new SplitBrainPolicies
            {
                NoPrimary = AfterSplitBrain0Pri.DiscardNode,
                DiscardNode = "beta",
                OnePrimary = AfterSplitBrain1Pri.Consensus,
                TwoPrimaries = AfterSplitBrain2Pri.CallPrimaryLost,
                Always = true,
            }.Text);
    }

    private static IEnumerable<SplitBrainPolicies> AllPolicies() =>
        from zero in Enum.GetValues<AfterSplitBrain0Pri>()
        from one in Enum.GetValues<AfterSplitBrain1Pri>()
        from two in Enum.GetValues<AfterSplitBrain2Pri>()
        from always in new[] { false, true }
        select new SplitBrainPolicies
        {
            NoPrimary = zero,
            DiscardNode = zero == AfterSplitBrain0Pri.DiscardNode ? "beta" : "",
            OnePrimary = one,
            TwoPrimaries = two,
            Always = always,
        };

    private static GenerationFacts Vary(GenerationFacts facts, int bits) => facts with
    {
        Role = (bits & 1) != 0 ? Role.Primary : Role.Secondary,
        WasPrimaryAtSplit = (bits & 2) != 0,
        DirtyBlocks = (bits & 4) != 0 ? 0 : facts.DirtyBlocks,
        Bitmap = (bits & 8) != 0 ? GenerationId.None : facts.Bitmap,
        History = (bits & 8) != 0 ? [new(0x60), new(0x40)] : [],
        DiscardMyData = (bits & 16) != 0,
    };

    private static void AssertVictim(
        string when, SplitBrainPolicies policies, GenerationFacts self, GenerationFacts peer, string? victim, string? primaryLost)
    {
        SyncVerdict verdict = Decide(policies, (self, peer))[0];
        string? loser = verdict.IsTarget ? self.Node : verdict.IsSource ? peer.Node : null;
        Assert.True(loser == victim && verdict.ResolvesSplitBrain == (victim is not null) && verdict.PrimaryLost == primaryLost, $"{when}: {verdict}");
        Assert.Equal(verdict.Mirrored, Decide(policies, (peer, self))[0].Result);
    }

    private static SyncVerdict[] Decide(SplitBrainPolicies policies, params (GenerationFacts, GenerationFacts)[] volumes) =>
        ResourceDecision.Decide(volumes, policies);
}
