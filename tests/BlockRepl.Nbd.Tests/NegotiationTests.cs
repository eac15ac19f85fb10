using System.Text;
using static BlockRepl.Nbd.Tests.Handshake;

namespace BlockRepl.Nbd.Tests;

public sealed class NegotiationTests
{
    private const uint ExportName = 1, AbortOption = 2, List = 3, StartTls = 5, Info = 6, Go = 7, StructuredReply = 8;
    private const uint ListMetaContext = 9, SetMetaContext = 10;

    private static readonly NbdExportInfo Spool = Volume with { Name = "mail/spool" };

    [Fact]
    public void The_greeting_is_that_of_a_fixed_newstyle_server_without_zeroes()
    {
        var handshake = new Handshake(Volume);
        Assert.Equal("4E42444D4147494349484156454F50540003", Convert.ToHexString(handshake.TakeOutput()));
    }

    [Theory]
    [InlineData(0u, NbdNegotiationState.Option)] // plain newstyle: old clients
    [InlineData(1u, NbdNegotiationState.Option)]
    [InlineData(3u, NbdNegotiationState.Option)]
    [InlineData(4u, NbdNegotiationState.Closed)]
    [InlineData(0x80000001u, NbdNegotiationState.Closed)]
    public void Client_flags_that_were_not_offered_end_it(uint flags, NbdNegotiationState expected) =>
        Assert.Equal(expected, new Handshake(Volume).Greet(flags).Negotiation.State);

    [Theory]
    [InlineData(3u, 10)]
    [InlineData(1u, 134)]
    public void Export_name_answers_with_size_and_flags_and_zeroes_unless_waived(uint clientFlags, int length)
    {
        Handshake handshake = new Handshake(Volume).Greet(clientFlags);
        handshake.Feed([.. Big(NbdWire.OptionMagic), .. Big(ExportName), .. Big(7u), .. "mail/db"u8]);
        byte[] output = handshake.TakeOutput();
        Assert.Equal(length, output.Length);
        // 1 MiB; HAS_FLAGS FLUSH FUA TRIM WRITE_ZEROES MULTI_CONN CACHE FAST_ZERO, and no DF
        Assert.Equal("00000000001000000D6D", Convert.ToHexString(output.AsSpan(0, 10)));
        Assert.All(output[10..], b => Assert.Equal(0, b));
        Assert.Equal(NbdNegotiationState.Transmission, handshake.Negotiation.State);
    }

    [Fact]
    public void A_refused_export_name_is_a_hang_up_with_a_reason()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        handshake.Refusal = "mail/db is Secondary on node beta";
        handshake.Feed([.. Big(NbdWire.OptionMagic), .. Big(ExportName), .. Big(7u), .. "mail/db"u8]);
        Assert.Empty(handshake.TakeOutput());
        Assert.Equal(NbdNegotiationState.Closed, handshake.Negotiation.State);
        Assert.Equal("mail/db is Secondary on node beta", handshake.Negotiation.CloseReason);
    }

    [Fact]
    public void Abort_is_acknowledged()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        Assert.Equal(NbdOptionReply.Ack, Assert.Single(handshake.Ask(AbortOption)).Reply);
        Assert.Equal(NbdNegotiationState.Closed, handshake.Negotiation.State);
    }

    [Fact]
    public void List_names_every_export()
    {
        Handshake handshake = new Handshake(Volume, Spool).Greet();
        var replies = handshake.Ask(List);
        Assert.Equal([NbdOptionReply.Server, NbdOptionReply.Server, NbdOptionReply.Ack], replies.Select(r => r.Reply));
        Assert.Equal(Name("mail/db"), replies[0].Data);
        Assert.Equal(Name("mail/spool"), replies[1].Data);
        Assert.Equal(NbdOptionReply.ErrorInvalid, Assert.Single(handshake.Ask(List, 1)).Reply);
    }

    [Fact]
    public void Info_tells_and_goes_on_and_Go_begins_transmission()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        byte[] request = [.. Name("mail/db"), 0, 2, 0, 1, 0, 2];
        var replies = handshake.Ask(Info, request);
        Assert.Equal(5, replies.Count);
        Assert.Equal("000000000000001000000D6D", Convert.ToHexString(replies[0].Data));
        Assert.Equal([0, 1, .. "mail/db"u8], replies[1].Data);
        Assert.Equal([0, 2, .. "mailboxes"u8], replies[2].Data);
        Assert.Equal("0003" + "00000001" + "00001000" + "02000000", Convert.ToHexString(replies[3].Data));
        Assert.Equal(NbdOptionReply.Ack, replies[4].Reply);
        Assert.Equal(0, handshake.OpenCount);
        Assert.Null(handshake.Negotiation.Session);

        Assert.Equal(NbdOptionReply.Ack, handshake.Ask(Go, request)[^1].Reply);
        Assert.Equal(NbdNegotiationState.Transmission, handshake.Negotiation.State);
        Assert.Equal(1, handshake.OpenCount);
        NbdSession session = handshake.Negotiation.Session!;
        Assert.False(session.StructuredReplies);
        Assert.False(session.BaseAllocation);
    }

    [Fact]
    public void Name_and_description_are_sent_on_request_only()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        var replies = handshake.Ask(Info, [.. Name("mail/db"), 0, 0]);
        Assert.Equal([0, 3], replies.SkipLast(1).Select(r => (int)r.Data[1]));
    }

    [Fact]
    public void A_refusal_carries_the_sources_sentence()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        handshake.Refusal = "mail/db is Secondary on node beta; promote it first";
        (NbdOptionReply reply, byte[] data) = Assert.Single(handshake.Ask(Go, [.. Name("mail/db"), 0, 0]));
        Assert.Equal(NbdOptionReply.ErrorUnknown, reply);
        Assert.Equal("mail/db is Secondary on node beta; promote it first", Encoding.UTF8.GetString(data));
        Assert.Equal(NbdNegotiationState.Option, handshake.Negotiation.State);
    }

    [Fact]
    public void A_long_refusal_is_cut_between_code_points()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        handshake.Refusal = "x" + new string('ä', 3000);
        byte[] data = Assert.Single(handshake.Ask(Go, [.. Name("mail/db"), 0, 0])).Data;
        Assert.Equal(4095, data.Length);
        Assert.EndsWith("ä", Encoding.UTF8.GetString(data));
    }

    [Fact]
    public void An_empty_name_opens_the_only_export()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        handshake.Ask(Go, [.. Name(""), 0, 0]);
        Assert.Equal("mail/db", handshake.Negotiation.Session!.Info.Name);

        Handshake two = new Handshake(Volume, Spool).Greet();
        Assert.Contains("several exports", Encoding.UTF8.GetString(Assert.Single(two.Ask(Go, [.. Name(""), 0, 0])).Data));
        Handshake none = new Handshake().Greet();
        Assert.Contains("no export", Encoding.UTF8.GetString(Assert.Single(none.Ask(Go, [.. Name(""), 0, 0])).Data));
    }

    [Fact]
    public void Structured_replies_bring_DF()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        Assert.Equal(NbdOptionReply.ErrorInvalid, Assert.Single(handshake.Ask(StructuredReply, 0)).Reply);
        Assert.Equal(NbdOptionReply.Ack, Assert.Single(handshake.Ask(StructuredReply)).Reply);
        var replies = handshake.Ask(Go, [.. Name("mail/db"), 0, 0]);
        Assert.Equal("000000000000001000000DED", Convert.ToHexString(replies[0].Data));
        Assert.True(handshake.Negotiation.Session!.StructuredReplies);
    }

    [Fact]
    public void Meta_contexts_need_structured_replies()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        byte[] all = [.. Name("mail/db"), 0, 0, 0, 0];
        Assert.Equal(NbdOptionReply.ErrorInvalid, Assert.Single(handshake.Ask(ListMetaContext, all)).Reply);
        Assert.Equal(NbdOptionReply.ErrorInvalid, Assert.Single(handshake.Ask(SetMetaContext, all)).Reply);
    }

    [Theory]
    [InlineData(ListMetaContext, new string[0], true)] // no query lists all
    [InlineData(ListMetaContext, new[] { "base:" }, true)]
    [InlineData(ListMetaContext, new[] { "base:allocation" }, true)]
    [InlineData(ListMetaContext, new[] { "qemu:" }, false)]
    [InlineData(SetMetaContext, new string[0], false)] // no query selects nothing
    [InlineData(SetMetaContext, new[] { "base:" }, false)] // a wildcard does not select
    [InlineData(SetMetaContext, new[] { "x-none:y", "base:allocation" }, true)]
    public void Queries_find_base_allocation(uint option, string[] queries, bool found)
    {
        Handshake handshake = new Handshake(Volume).Greet();
        handshake.Ask(StructuredReply);
        var replies = handshake.Ask(option, [.. Name("mail/db"), .. Big((uint)queries.Length), .. queries.SelectMany(Name)]);
        Assert.Equal(found ? 2 : 1, replies.Count);
        Assert.Equal(NbdOptionReply.Ack, replies[^1].Reply);
        if (found)
            Assert.Equal([.. Big(option == SetMetaContext ? 1u : 0u), .. "base:allocation"u8], replies[0].Data);
        handshake.Ask(Go, [.. Name("mail/db"), 0, 0]);
        Assert.Equal(found && option == SetMetaContext, handshake.Negotiation.Session!.BaseAllocation);
        Assert.Equal(1, handshake.OpenCount);
    }

    [Fact]
    public void A_selection_is_void_for_another_export_and_after_a_failed_one()
    {
        byte[] select = [.. Name("mail/db"), .. Big(1u), .. Name("base:allocation")];
        Handshake other = new Handshake(Volume, Spool).Greet();
        other.Ask(StructuredReply);
        other.Ask(SetMetaContext, select);
        other.Ask(Go, [.. Name("mail/spool"), 0, 0]);
        Assert.False(other.Negotiation.Session!.BaseAllocation);

        Handshake failed = new Handshake(Volume).Greet();
        failed.Ask(StructuredReply);
        failed.Ask(SetMetaContext, select);
        Assert.Equal(NbdOptionReply.ErrorUnknown, Assert.Single(failed.Ask(SetMetaContext, [.. Name("nosuch"), .. Big(0u)])).Reply);
        failed.Ask(Go, [.. Name("mail/db"), 0, 0]);
        Assert.False(failed.Negotiation.Session!.BaseAllocation);
    }

    [Theory]
    [InlineData(StartTls)]
    [InlineData(4u)] // PEEK_EXPORT
    [InlineData(11u)] // EXTENDED_HEADERS
    [InlineData(0xdeadbeefu)]
    public void What_is_not_supported_says_so(uint option) =>
        Assert.Equal(NbdOptionReply.ErrorUnsupported, Assert.Single(new Handshake(Volume).Greet().Ask(option, 1, 2, 3)).Reply);

    [Fact]
    public void Every_way_to_cut_the_bytes_gives_the_same_answer()
    {
        byte[] bytes = [.. Big(3u), .. Big(NbdWire.OptionMagic), .. Big(StructuredReply), .. Big(0u), .. Big(NbdWire.OptionMagic), .. Big(Go), .. Big(13u), .. Name("mail/db"), 0, 0];
        var whole = new Handshake(Volume);
        whole.Feed(bytes);
        byte[] expected = whole.TakeOutput();
        for (int cut = 1; cut < bytes.Length; cut++)
        {
            var handshake = new Handshake(Volume);
            handshake.Feed(bytes[..cut]);
            handshake.Feed(bytes[cut..]);
            Assert.Equal(expected, handshake.TakeOutput());
            Assert.Equal(NbdNegotiationState.Transmission, handshake.Negotiation.State);
        }
    }

    [Fact]
    public void Requests_behind_Go_are_left_alone()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        handshake.Feed([.. Big(NbdWire.OptionMagic), .. Big(Go), .. Big(13u), .. Name("mail/db"), 0, 0, .. new byte[28]]);
        Assert.Equal(28, handshake.UnreadCount);
    }

    [Fact]
    public void Long_data_is_drained_and_absurd_lengths_end_it()
    {
        Handshake handshake = new Handshake(Volume).Greet();
        Assert.Equal(NbdOptionReply.ErrorTooBig, Assert.Single(handshake.Ask(Go, new byte[NbdLimits.OptionBytesMax + 1])).Reply);
        Assert.Equal(NbdNegotiationState.Option, handshake.Negotiation.State);
        handshake.Feed([.. Big(NbdWire.OptionMagic), .. Big(Go), .. Big((uint)NbdLimits.OptionDrainedBytesMax + 1)]);
        Assert.Equal(NbdNegotiationState.Closed, handshake.Negotiation.State);
    }

    [Fact]
    public void Random_bytes_never_do_more_than_end_it()
    {
        var random = new Random(20);
        for (int round = 0; round < 3000; round++)
        {
            Handshake handshake = new Handshake(Volume, Spool).Greet();
            // Two exports, so that an empty name is refused; no longer name can be hit by chance.
            byte[] data = new byte[random.Next(60)];
            random.NextBytes(data);
            uint option = (uint)random.Next(1, 12);
            handshake.Feed([.. Big(NbdWire.OptionMagic), .. Big(option), .. Big((uint)data.Length), .. data]);
            handshake.Feed(data);
            Assert.Null(handshake.Negotiation.Session);
            Assert.Equal(0, handshake.OpenCount);
        }
    }
}
