using BlockRepl.Rpc.Http2;

namespace BlockRepl.Rpc.Tests;

/// <summary>Examples of RFC 7541 appendix C.</summary>
public class HpackTests
{
    [Theory]
    [InlineData("F1E3C2E5F23A6BA0AB90F4FF", "www.example.com")]
    [InlineData("A8EB10649CBF", "no-cache")]
    [InlineData("25A849E95BA97D7F", "custom-key")]
    [InlineData("25A849E95BB8E8B4BF", "custom-value")]
    [InlineData("6402", "302")]
    [InlineData("AEC3771A4B", "private")]
    [InlineData("D07ABE941054D444A8200595040B8166E082A62D1BFF", "Mon, 21 Oct 2013 20:13:21 GMT")]
    [InlineData("9D29AD171863C78F0B97C8E9AE82AE43D3", "https://www.example.com")]
    [InlineData("", "")]
    public void Huffman_strings_decode(string hex, string text) =>
        Assert.Equal(text, HpackHuffman.Decode(Convert.FromHexString(hex), 100));

    [Theory]
    [InlineData("08")] // padding of zeroes
    [InlineData("6402FF")] // more than seven bits of padding
    [InlineData("FFFFFFFF")] // the end-of-string symbol
    public void Bad_Huffman_strings_are_refused(string hex) => Assert.Null(HpackHuffman.Decode(Convert.FromHexString(hex), 100));

    [Fact]
    public void A_string_too_long_is_refused() => Assert.Null(HpackHuffman.Decode(Convert.FromHexString("A8EB10649CBF"), 7));

    [Fact]
    public void Every_form_of_field_decodes()
    {
        byte[] block =
        [
            0x20, // table size 0
            0x88, // :status 200
            0x5F, 0x03, .. "a/b"u8, // content-type, with indexing
            0x0F, 0x07, 0x01, .. "x"u8, // allow, without indexing, index in two bytes
            0x10, 0x01, .. "n"u8, 0x01, .. "v"u8, // never indexed, new name
        ];
        Assert.Equal([(":status", "200"), ("content-type", "a/b"), ("allow", "x"), ("n", "v")], new HpackDecoder(0).Decode(block));
    }

    [Fact]
    public void Requests_with_a_dynamic_table_decode()
    {
        // RFC 7541 appendix C.4: three requests of one connection.
        var decoder = new HpackDecoder(4096);
        (string, string)[] common = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        Assert.Equal(common, decoder.Decode(Convert.FromHexString("828684418CF1E3C2E5F23A6BA0AB90F4FF")));
        Assert.Equal([.. common, ("cache-control", "no-cache")], decoder.Decode(Convert.FromHexString("828684BE5886A8EB10649CBF")));
        Assert.Equal(
            [(":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com"), ("custom-key", "custom-value")],
            decoder.Decode(Convert.FromHexString("828785BF408825A849E95BA97D7F8925A849E95BB8E8B4BF")));
    }

    [Fact]
    public void A_full_table_drops_its_oldest_entries()
    {
        // Two entries of 34 bytes fill it; the third drops the first.
        var decoder = new HpackDecoder(68);
        byte[] three = [0x40, 1, .. "a"u8, 1, .. "1"u8, 0x40, 1, .. "b"u8, 1, .. "2"u8, 0x40, 1, .. "c"u8, 1, .. "3"u8];
        decoder.Decode(three);
        Assert.Equal([("c", "3"), ("b", "2")], decoder.Decode([0xBE, 0xBF]));
        Assert.Throws<ChannelException>(() => decoder.Decode([0xC0]));
        decoder.Decode([0x20]);
        Assert.Throws<ChannelException>(() => decoder.Decode([0xBE]));
        Assert.Throws<ChannelException>(() => decoder.Decode([0x3F, 0xE1, 0x1F]));
    }

    [Fact]
    public void What_the_encoder_writes_is_read()
    {
        string value = new('q', 300);
        Assert.Equal([(":method", "POST"), ("k", value)], new HpackDecoder(0).Decode(new HpackEncoder().Indexed(3).Literal("k", value).ToArray()));
    }

    [Fact]
    public void Random_blocks_never_do_more_than_throw()
    {
        var random = new Random(3);
        for (int i = 0; i < 50_000; i++)
        {
            var block = new byte[random.Next(40)];
            random.NextBytes(block);
            try
            {
                new HpackDecoder(i % 2 == 0 ? 0 : 4096).Decode(block);
            }
            catch (ChannelException e)
            {
                Assert.Equal(ChannelCloseReason.ProtocolError, e.Reason);
            }
        }
    }
}
