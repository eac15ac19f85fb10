using BlockRepl.Primitives;

namespace BlockRepl.Nbd.Tests;

/// <summary>Bytes written down from proto.md.</summary>
public sealed class EncodingTests
{
    [Fact]
    public void A_request_is_read()
    {
        byte[] bytes = Convert.FromHexString("25609513" + "0011" + "0006" + "0102030405060708" + "1112131415161718" + "21222324");
        Assert.Equal(NbdWire.RequestBytes, bytes.Length);
        Assert.True(NbdRequestHeader.TryParse(bytes, out NbdRequestHeader header));
        Assert.Equal(
            new NbdRequestHeader(
                NbdCommandFlags.ForceUnitAccess | NbdCommandFlags.FastZero, NbdCommand.WriteZeroes, 0x0102030405060708, 0x1112131415161718, 0x21222324),
            header);
        Assert.Equal(0u, header.PayloadBytes);
        bytes[7] = 1;
        Assert.True(NbdRequestHeader.TryParse(bytes, out header));
        Assert.Equal(0x21222324u, header.PayloadBytes);
        bytes[0]++;
        Assert.False(NbdRequestHeader.TryParse(bytes, out _));
    }

    [Theory]
    [InlineData(NbdCommand.Write, NbdError.Ok, 0, false, "67446698" + "00000000" + "00000000000000AA")]
    [InlineData(NbdCommand.Write, NbdError.ENOSPC, 0, false, "67446698" + "0000001C" + "00000000000000AA")]
    [InlineData(NbdCommand.Read, NbdError.Ok, 4096, false, "67446698" + "00000000" + "00000000000000AA")]
    [InlineData(NbdCommand.Read, NbdError.EIO, 0, false, "67446698" + "00000005" + "00000000000000AA")]
    // only READ and BLOCK_STATUS are chunked
    [InlineData(NbdCommand.Write, NbdError.Ok, 0, true, "67446698" + "00000000" + "00000000000000AA")]
    [InlineData(NbdCommand.Flush, NbdError.ESHUTDOWN, 0, true, "67446698" + "0000006C" + "00000000000000AA")]
    // magic, DONE, OFFSET_DATA, cookie, 8 + 4096, offset
    [InlineData(NbdCommand.Read, NbdError.Ok, 4096, true, "668E33EF" + "0001" + "0001" + "00000000000000AA" + "00001008" + "0000000000010000")]
    // NONE
    [InlineData(NbdCommand.Read, NbdError.Ok, 0, true, "668E33EF" + "0001" + "0000" + "00000000000000AA" + "00000000")]
    // ERROR: length, error, no message
    [InlineData(NbdCommand.Read, NbdError.EIO, 0, true, "668E33EF" + "0001" + "8001" + "00000000000000AA" + "00000006" + "00000005" + "0000")]
    [InlineData(NbdCommand.BlockStatus, NbdError.EINVAL, 0, true, "668E33EF" + "0001" + "8001" + "00000000000000AA" + "00000006" + "00000016" + "0000")]
    // BLOCK_STATUS: 4 + two extents, context 1
    [InlineData(NbdCommand.BlockStatus, NbdError.Ok, 16, true, "668E33EF" + "0001" + "0005" + "00000000000000AA" + "00000014" + "00000001")]
    public void A_reply_is_written(NbdCommand command, NbdError error, int dataBytes, bool structured, string expected)
    {
        byte[] head = new byte[NbdWire.ReplyHeadBytesMax];
        int length = NbdReplyHead.Encode(head, new NbdRequestHeader(0, command, 0xaa, 0x10000, 4096), error, dataBytes, structured);
        Assert.Equal(expected, Convert.ToHexString(head.AsSpan(0, length)));
    }

    [Fact]
    public void Data_behind_an_error_and_status_without_an_extent_are_bugs()
    {
        byte[] head = new byte[NbdWire.ReplyHeadBytesMax];
        var read = new NbdRequestHeader(0, NbdCommand.Read, 1, 0, 4096);
        Assert.Throws<BugException>(() => NbdReplyHead.Encode(head, read, NbdError.EIO, 4096, true));
        var status = new NbdRequestHeader(0, NbdCommand.BlockStatus, 1, 0, 4096);
        Assert.Throws<BugException>(() => NbdReplyHead.Encode(head, status, NbdError.Ok, 0, true));
    }

    [Fact]
    public void Extents_are_merged_and_cut_at_the_request()
    {
        NbdRequest request = Begin(0, 10_000);
        Assert.True(request.AddExtent(1000, false, false));
        Assert.True(request.AddExtent(1000, false, false));
        Assert.True(request.AddExtent(4096, true, true));
        Assert.False(request.AddExtent(uint.MaxValue, false, true));
        Assert.False(request.AddExtent(1, false, false));
        Assert.Equal("000007D0" + "00000000" + "00001000" + "00000003" + "00000F40" + "00000002", Convert.ToHexString(request.EncodedExtents));
    }

    [Fact]
    public void Request_one_takes_one_extent_and_its_like_neighbours()
    {
        NbdRequest request = Begin(NbdCommandFlags.RequestOne, 10_000);
        Assert.True(request.AddExtent(1000, false, false));
        Assert.True(request.AddExtent(1000, false, false));
        Assert.False(request.AddExtent(1000, true, true));
        Assert.Equal("000007D0" + "00000000", Convert.ToHexString(request.EncodedExtents));
    }

    [Fact]
    public void Extents_are_bounded_and_reuse_their_room()
    {
        NbdRequest request = Begin(0, uint.MaxValue);
        int count = 0;
        while (request.AddExtent(1, count % 2 == 0, false))
            count++;
        Assert.Equal(NbdLimits.ExtentsMax, count);
        Assert.Equal(NbdLimits.ExtentsMax, request.ExtentCount);
        long before = GC.GetAllocatedBytesForCurrentThread();
        request.Begin(request.Header, request.Sink);
        for (int i = 0; i < NbdLimits.ExtentsMax; i++)
            request.AddExtent(1, i % 2 == 0, false);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void An_empty_extent_is_a_bug() => Assert.Throws<BugException>(() => Begin(0, 4096).AddExtent(0, true, true));

    private static NbdRequest Begin(NbdCommandFlags flags, uint length)
    {
        var request = new NbdRequest();
        request.Begin(new NbdRequestHeader(flags, NbdCommand.BlockStatus, 1, 0, length), null!);
        return request;
    }
}
