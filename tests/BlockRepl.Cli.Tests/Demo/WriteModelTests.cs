using BlockRepl.Cli.Demo;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Tests.Demo;

/// <summary>The check by content finds what it is there to find, and takes what is right for right (G2, G4).</summary>
public sealed class WriteModelTests
{
    private const ulong Seed = 77;
    private readonly WriteModel _model = new(Seed);
    private readonly CheckTally _tally = new();

    [Fact]
    public void A_block_with_its_acknowledged_version_is_right()
    {
        var version = Acknowledge(5);
        Assert.Null(_model.Verify(5, Content(5, version), _tally));
        Assert.Equal((1, 1), (_tally.Blocks, _tally.AcknowledgedBlocks));
    }

    [Fact]
    public void A_block_that_nobody_wrote_must_be_zeroes()
    {
        Assert.Null(_model.Verify(5, new byte[Block.Size], _tally));
        Assert.Equal("block 5 (offset 20480): expected zeroes (never written); found version 9 [seed 77]", _model.Verify(5, Content(5, 9), _tally));
    }

    [Fact]
    public void A_lost_block_is_found()
    {
        Acknowledge(5);
        Assert.Equal("block 5 (offset 20480): expected version 1; found zeroes (never written) [seed 77]",
            _model.Verify(5, new byte[Block.Size], _tally));
        Assert.Equal(0, _tally.Blocks);
    }

    [Fact]
    public void A_stale_block_is_found()
    {
        Acknowledge(5);
        Acknowledge(5);
        Assert.Equal("block 5 (offset 20480): expected version 2; found version 1 [seed 77]", _model.Verify(5, Content(5, 1), _tally));
    }

    [Fact]
    public void A_torn_block_is_found()
    {
        Acknowledge(5);
        Acknowledge(5);
        var torn = Content(5, 2);
        Content(5, 1).AsSpan(1536).CopyTo(torn.AsSpan(1536));
        Assert.Equal("block 5 (offset 20480): expected version 2; found a torn block: 1536 bytes of version 2, then 2560 bytes of version 1 [seed 77]",
            _model.Verify(5, torn, _tally));
    }

    [Fact]
    public void A_torn_block_of_an_unacknowledged_write_is_found_although_both_versions_are_right()
    {
        Acknowledge(5);
        Assert.True(_model.TryBegin(5, 1, out var open));
        var torn = Content(5, 1);
        Content(5, open).AsSpan(0, 512).CopyTo(torn);
        Assert.Equal("block 5 (offset 20480): expected version 1 or version 2, which was not acknowledged; "
            + "found a torn block: 512 bytes of version 2, then 3584 bytes of version 1 [seed 77]", _model.Verify(5, torn, _tally));
    }

    [Fact]
    public void A_misplaced_block_is_found()
    {
        var version = Acknowledge(5);
        Assert.Equal("block 5 (offset 20480): expected version 1; found version 1 of block 6 [seed 77]", _model.Verify(5, Content(6, version), _tally));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(700)]
    [InlineData(Block.Size - 1)]
    public void A_single_wrong_byte_is_found(int at)
    {
        var data = Content(5, Acknowledge(5));
        data[at] ^= 0x10;
        Assert.Contains("bytes that nobody wrote", _model.Verify(5, data, _tally), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_unacknowledged_write_may_be_there_or_not_but_not_come_and_go(bool isThere)
    {
        var held = Acknowledge(5);
        Assert.True(_model.TryBegin(5, 1, out var open));
        Assert.Null(_model.Verify(5, Content(5, isThere ? open : held), _tally));
        Assert.Equal(isThere ? (1, 0) : (0, 1), (_tally.OpenThere, _tally.OpenAbsent));
        Assert.Equal(0, _model.OpenCount);

        Assert.NotNull(_model.Verify(5, Content(5, isThere ? held : open), _tally));
    }

    [Fact]
    public void No_two_writes_of_a_block_are_in_flight_at_once()
    {
        Assert.True(_model.TryBegin(8, 4, out var version));
        Assert.False(_model.TryBegin(11, 2, out _));
        Assert.True(_model.TryBegin(12, 2, out _));
        _model.Acknowledge(8, 4, version);
        Assert.True(_model.TryBegin(11, 1, out _));
    }

    private static byte[] Content(long block, ulong version)
    {
        var data = new byte[Block.Size];
        BlockPattern.Fill(data, Seed, block, version);
        return data;
    }

    private ulong Acknowledge(long block)
    {
        Assert.True(_model.TryBegin(block, 1, out var version));
        _model.Acknowledge(block, 1, version);
        return version;
    }
}
