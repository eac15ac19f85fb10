using BlockRepl.Scenarios.Language;

namespace BlockRepl.Scenarios;

/// <summary>The runner itself: a script that is wrong, or whose expectation does not hold, fails with the line that is to blame; nothing passes by being misread.</summary>
public class LanguageTests
{
    private static ScenarioException Fails(params string[] lines) =>
        Assert.Throws<ScenarioException>(() => ScenarioRunner.RunVariants(Script.Parse("t.scn", lines)));

    [Theory]
    [InlineData("wirte a 0 4k = X", "t.scn:2", "wirte")]
    [InlineData("write c 0 4k = X", "t.scn:2", "no node")]
    [InlineData("write a 0 4k", "t.scn:2", "name")]
    [InlineData("write a 0 4q = X", "t.scn:2", "how much")]
    [InlineData("expect state a Conected", "t.scn:2", "no state")]
    [InlineData("expect state a StandAlone", "t.scn:2", "Connected")]
    [InlineData("expect reads a 0 4k = NEVER", "t.scn:2", "NEVER")]
    [InlineData("expect reads b 0 4k = zero", "t.scn:2", "not Primary")]
    [InlineData("hold a->b Nonsense", "t.scn:2", "Nonsense")]
    [InlineData("before a->b SyncEnd", "t.scn:2", "colon")]
    [InlineData("set no-such-key 1", "t.scn:2", "no-such-key")]
    [InlineData("primary b -> 17", "t.scn:2", "11")]
    [InlineData("write b 0 4k = X", "t.scn:2", "EIO")]
    [InlineData("handler a fence-peer exits 4", "t.scn:2", "does not run")]
    [InlineData("release a->b Ack", "t.scn:2", "nothing of that is held")]
    [InlineData("expect answer a 0", "t.scn:2", "nothing was asked")]
    [InlineData("at-each-step: kill b", "t.scn:end", "followed by nothing")]
    [InlineData("cut sideways", "t.scn:2", "cut")]
    public void A_wrong_line_is_named(string line, string where, string says)
    {
        ScenarioException failure = Fails("in-sync primary a", line);
        Assert.Contains(where, failure.Message, StringComparison.Ordinal);
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_that_is_left_in_a_split_brain_fails_the_general_check()
    {
        ScenarioException failure = Fails("in-sync primary a", "cut", "write a 0 4k = X", "primary b", "write b 4k 4k = Y");
        Assert.Contains("t.scn:end", failure.Message, StringComparison.Ordinal);
        Assert.Contains("not connected", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_split_brain_that_was_forbidden_fails_although_it_was_resolved()
    {
        ScenarioException failure = Fails(
            "in-sync primary a", "expect never split-brain", "cut", "write a 0 4k = X", "primary b", "write b 4k 4k = Y", "secondary b", "heal", "may-lose Y",
            "connect b --discard-my-data", "connect a", "settle");
        Assert.Contains("a split brain was seen", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>The check of data is not satisfied by equal replicas: a write that was acknowledged and is gone from both is missed (G2).</summary>
    [Fact]
    public void Acknowledged_data_that_are_gone_from_both_nodes_are_missed()
    {
        string[] lines = ["in-sync primary a", "cut", "write a 0 4k = X", "primary b", "write b 4k 4k = Y", "secondary b", "heal", "connect b --discard-my-data", "connect a", "settle"];
        Assert.Contains("acknowledged", Fails(lines).Message, StringComparison.Ordinal);
        ScenarioRunner.RunVariants(Script.Parse("t.scn", [.. lines[..6], "may-lose Y", .. lines[6..]]));
    }

    [Fact]
    public void A_block_that_is_wrong_on_one_node_alone_is_found()
    {
        ScenarioException failure = Fails("in-sync primary a", "write a 0 4k = X", "snapshot b S", "write a 0 4k = Y", "flush a", "down b", "kill b", "restore b S", "start b");
        Assert.Contains("t.scn:", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_fault_of_each_step_comes_once_at_every_step_and_last_after_the_end()
    {
        var script = Script.Parse("t.scn", ["in-sync primary a", "at-each-step: cut", "write a 0 4k = X"]);
        List<int> lengths = [];
        for (int step = 0; ; step++)
        {
            var scenario = new Scenario(script, 0, step);
            scenario.Run();
            Assert.Single(scenario.Transcript.Lines, static l => l.Contains("[cut]", StringComparison.Ordinal));
            lengths.Add(scenario.Transcript.Lines.Count);
            if (scenario.IsLastStep)
                break;
        }

        // At least: activate the extent, write here, deliver, write there, deliver the acknowledgement.
        Assert.True(lengths.Count > 5, $"only {lengths.Count} steps");
    }

    [Fact]
    public void The_same_seed_gives_the_same_transcript()
    {
        var script = Script.Parse("t.scn", ["in-sync primary a", "begin write a 0 8k = X", "begin write a 4k 8k = Y", "flap", "settle"]);
        IReadOnlyList<string> Of(ulong seed)
        {
            var scenario = new Scenario(script, seed);
            scenario.Run();
            return scenario.Transcript.Lines;
        }

        Assert.Equal(Of(7), Of(7));
    }
}
