using BlockRepl.Daemon.Devices;

namespace BlockRepl.Daemon.Tests.Devices;

/// <summary>
/// Messages against recorded bytes: those of nbd-client 3.24 with libnl, and the answers of Linux 6.1, taken with strace. Netlink is in the machine's byte order; the recordings are little-endian.
/// </summary>
public sealed class NbdNetlinkTests
{
    private const ushort Family = 0x1a;
    private const uint Sequence = 0x6b0ce259;

    [Fact]
    public void The_question_for_the_family_is_the_recorded_one() => Assert.Equal(
        "1c000000 10000500 59e20c6b 00000000 03010000 08000200 6e626400",
        Hex(NbdNetlink.ResolveFamily("nbd", Sequence)));

    [Fact]
    public void Attributes_are_laid_out_as_recorded()
    {
        // nbd-client's own CONNECT, with its choice of attributes. It says version 0 of the family, which has none.
        NetlinkMessage message = new NetlinkMessage(Family, 1, Sequence + 1)
            .U32(1, 3).U64(2, 64 << 20).U64(3, 512).U64(5, 0xd6d)
            .Nest(7, list => list.Nest(1, item => item.U32(1, 3)));
        Assert.Equal(
            "50000000 1a000500 5ae20c6b 00000000 01010000 08000100 03000000 0c000200 00000004 00000000 0c000300 00020000 00000000 0c000500 6d0d0000 00000000 "
            + "10000780 0c000180 08000100 03000000",
            Hex(message));
    }

    [Fact]
    public void Connect_says_everything_that_a_restart_needs()
    {
        NetlinkMessage message = NbdNetlink.Connect(Family, Sequence, new KernelConnect
        {
            Index = 3,
            SizeBytes = 64 << 20,
            BlockBytes = 512,
            Flags = 0xd6d,
            Hold = TimeSpan.FromSeconds(600),
            Backend = "blockrepl:a:r/v",
            SocketFd = 9,
        });
        Assert.Equal(
            "88000000 1a000500 59e20c6b 00000000 01010000 "
            + "08000100 03000000 " // index 3
            + "0c000200 00000004 00000000 " // size
            + "0c000300 00020000 00000000 " // block size
            + "0c000400 00000000 00000000 " // timeout 0
            + "0c000500 6d0d0000 00000000 " // server flags
            + "0c000600 00000000 00000000 " // client flags
            + "0c000800 58020000 00000000 " // dead connection timeout 600
            + "14000a00 626c6f63 6b726570 6c3a613a 722f7600 " // backend identifier
            + "10000780 0c000180 08000100 09000000", // the one socket
            Hex(message));
    }

    [Fact]
    public void A_reconnect_has_nothing_but_index_identifier_and_socket() => Assert.Equal(
        "38000000 1a000500 59e20c6b 00000000 03010000 08000100 03000000 0b000a00 622f762d 31320000 10000780 0c000180 08000100 09000000",
        Hex(NbdNetlink.Reconnect(Family, Sequence, 3, "b/v-12", 9)));

    [Fact]
    public void A_resize_has_no_socket() => Assert.Equal(
        "34000000 1a000500 59e20c6b 00000000 03010000 08000100 03000000 0b000a00 622f762d 31320000 0c000200 00000008 00000000",
        Hex(NbdNetlink.Resize(Family, Sequence, 3, "b/v-12", 128 << 20)));

    [Fact]
    public void A_disconnect_is_the_recorded_one() => Assert.Equal(
        "1c000000 1a000500 59e20c6b 00000000 02010000 08000100 03000000", // nbd-client's, but for the version
        Hex(NbdNetlink.Disconnect(Family, Sequence, 3)));

    [Fact]
    public void The_recorded_answers_are_understood()
    {
        uint? value = null;
        byte[] family = Bytes(
            "b4000000 10000000 59e20c6b f702c0f7 01020000 08000200 6e626400 06000100 1a000000 08000300 01000000 08000400 00000000 08000500 0a000000 54000600 "
            + "14000100 08000100 01000000 08000200 0a000000 14000200 08000100 02000000 08000200 0a000000 14000300 08000100 03000000 08000200 0a000000 "
            + "14000400 08000100 05000000 08000200 0a000000 24000700 20000100 08000200 03000000 11000100 6e62645f 6d635f67 726f7570 00000000");
        NbdNetlink.Read(family, Sequence, NbdNetlink.FamilyIdOf, ref value, out int? errno);
        Assert.Null(errno);
        Assert.Equal(Family, value);
        NbdNetlink.Read(Bytes("24000000 02000001 59e20c6b f702c0f7 00000000 1c000000 10000500 59e20c6b f702c0f7"), Sequence, NbdNetlink.FamilyIdOf, ref value, out errno);
        Assert.Equal(0, errno);
        value = null;
        NbdNetlink.Read(Bytes("1c000000 1a000000 59e20c6b f702c0f7 01010000 08000100 03000000"), Sequence, NbdNetlink.IndexOf, ref value, out errno);
        Assert.Equal(3u, value);
        Assert.Null(errno);
    }

    [Fact]
    public void A_refusal_is_its_errno_and_another_requests_answer_is_passed_over()
    {
        uint? value = null;
        NbdNetlink.Read(Bytes("24000000 02000001 58e20c6b f702c0f7 eaffffff 1c000000 10000500 58e20c6b f702c0f7"), Sequence, NbdNetlink.IndexOf, ref value, out int? errno);
        Assert.Null(errno);
        NbdNetlink.Read(Bytes("24000000 02000001 59e20c6b f702c0f7 f0ffffff 1c000000 10000500 59e20c6b f702c0f7"), Sequence, NbdNetlink.IndexOf, ref value, out errno);
        Assert.Equal(16, errno); // EBUSY
    }

    [Fact]
    public void Cut_answers_are_no_answers()
    {
        byte[] whole = Bytes("24000000 02000001 59e20c6b f702c0f7 f0ffffff 1c000000 10000500 59e20c6b f702c0f7");
        for (int length = 0; length < whole.Length; length++)
        {
            uint? value = null;
            NbdNetlink.Read(whole.AsSpan(0, length), Sequence, NbdNetlink.IndexOf, ref value, out int? errno);
            Assert.Null(errno);
            Assert.Null(value);
        }
    }

    private static string Hex(NetlinkMessage message) =>
        string.Join(' ', message.Bytes.ToArray().Chunk(4).Select(word => Convert.ToHexStringLower(word)));

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}
