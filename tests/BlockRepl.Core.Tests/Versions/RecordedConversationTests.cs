using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Versions;

/// <summary>G15: a node of this build against the very bytes that a version 1 build sent.</summary>
public class RecordedConversationTests
{
    [Theory]
    [InlineData("alpha")]
    [InlineData("beta")]
    public void G15_a_recorded_version_1_peer_is_synced_written_to_resynced_and_handed_over_to(string live)
    {
        var replay = new ConversationReplay(live);
        replay.Run();
        Assert.True(replay.Played >= 20 && replay.Compared >= 20, $"{replay.Played} frames played, {replay.Compared} compared");
        Assert.NotEmpty(replay.Requests);
        Assert.All(replay.Requests, request => Assert.True(request.IsAcknowledged));
        SimulatedNode node = replay.Node;
        Assert.Equal(DiskState.UpToDate, node.Status.DiskState(ClusterHarness.Volume0));
        Assert.Equal(0, node.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf));
        Assert.Equal(0, node.Pool.RentedCount);
        Assert.Equal(live == "alpha" ? Role.Secondary : Role.Primary, node.Core.Role);

        // What the recorded peer wrote, by the numbers that it filled its writes with.
        (long Block, ulong Number)[] expected = live == "alpha"
            ? [(0, 15), (1, 0), (2, 0)]
            : [(1, 0), (2, 0), (4, 11), (5, 14), (16, 7), (32, 12), (33, 12)];
        foreach ((long block, ulong number) in expected)
            Assert.Equal(number, ClusterHarness.IdIn(node.Disks[0].Cache[block]));
    }

    [Fact]
    public void Every_recorded_frame_passes_the_rules_of_version_1()
    {
        foreach (RecordedConversation.Line line in RecordedConversation.Read())
            Assert.True(line.Frame is null || Version1Rules.Refuse(line.Frame) is null, line.Frame is null ? "" : Version1Rules.Refuse(line.Frame));
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Recorded/v1/frames.txt")).Where(l => l[0] != '#'))
            Assert.Null(Version1Rules.Refuse(Convert.FromHexString(line.Split(' ')[1])));
    }
}
