using BlockRepl.Daemon.Metadata.Inspection;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Metadata.Inspection;

/// <summary>show-gi tells in words what the decision about a connection would be, for each thing that the peer may have done; get-gi has a fixed form.</summary>
public sealed class GenerationTextTests
{
    private static readonly Superblock InSync = new()
    {
        ResourceName = "mail",
        VolumeName = "postgres",
        NodeName = "alpha",
        DeviceId = 1,
        Kind = MetadataKind.Internal,
        DataBytes = 1 << 20,
        Current = new(0xA0),
        History = [new(0x90)],
        Flags = SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate,
        Peers = [new PeerSlot("beta", GenerationId.None, PeerSlotFlags.None)],
    };

    [Fact]
    public void Get_gi_has_a_line_a_peer_with_fixed_fields() => Assert.Equal(
        "mail/postgres@beta 00000000000000A0:0000000000000000:0000000000000090:0000000000000000:1:1:0:0:0:0:0:0:0:0:0:7",
        new GenerationText(InSync, [(0, 7)]).MachineReadable());

    [Fact]
    public void In_sync_nothing_is_copied_and_a_peer_that_went_on_is_the_source()
    {
        string text = Explain(InSync, 0);
        Assert.Contains("nothing was acknowledged here that beta does not have", text, StringComparison.Ordinal);
        Assert.Contains("beta changed nothing: nothing is copied (rule 40)", text, StringComparison.Ordinal);
        Assert.Contains("beta was promoted and written to: this node is resynced from beta, the marked blocks (rule 50)", text, StringComparison.Ordinal);
        Assert.Contains("beta got a new, empty disk: beta is resynced from here in full (rule 30)", text, StringComparison.Ordinal);
        Assert.Contains("refused: the data have nothing in common (rule 1000)", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_that_went_on_alone_is_the_source_unless_the_peer_went_on_too()
    {
        Superblock alone = InSync.WithPeer(0, new PeerSlot("beta", new(0xA0), PeerSlotFlags.PrimaryAtSplit) { BitmapSinceMs = 1_700_000_000_000 }) with { Current = new(0xB0) };
        string text = Explain(alone, 3);
        Assert.Contains("this node went on without beta since this generation, 2023-11-14T22:13:20Z, and marks what changes; it was Primary then", text, StringComparison.Ordinal);
        Assert.Contains("beta changed nothing: beta is resynced from here, 12288 bytes", text, StringComparison.Ordinal);
        Assert.Contains("beta was promoted and written to: split brain", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Fresh_interrupted_and_crashed_disks_are_called_that()
    {
        Assert.Contains("fresh", Explain(InSync with { Current = GenerationId.JustCreated, Flags = SuperblockFlags.None, History = [] }, 256), StringComparison.Ordinal);
        Assert.Contains("Inconsistent", Explain(InSync with { Flags = SuperblockFlags.None }, 0), StringComparison.Ordinal);
        Assert.Contains("Outdated", Explain(InSync with { Flags = SuperblockFlags.Consistent | SuperblockFlags.Outdated }, 0), StringComparison.Ordinal);
        string crashed = Explain(InSync with { Flags = InSync.Flags | SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower }, 4);
        Assert.Contains("died as Primary", crashed, StringComparison.Ordinal);
        Assert.Contains("lost its page cache", crashed, StringComparison.Ordinal);
        Assert.Contains("beta changed nothing: this node is resynced from beta", crashed, StringComparison.Ordinal);
    }

    private static string Explain(Superblock superblock, long blocks) => new GenerationText(superblock, [(0, blocks)]).Explain(0);
}
