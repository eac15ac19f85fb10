using System.Net.Sockets;
using BlockRepl.Conformance.Server;
using BlockRepl.Nbd;

namespace BlockRepl.Conformance;

/// <summary>One test for each wrong thing that a client can do (G14): an error or a hang-up, and nobody else suffers.</summary>
public sealed class WrongClientTests : IDisposable
{
    private readonly TestServer _server = new();

    // A bystander's connection works before, during and after.
    private readonly RawClient _bystander;

    public WrongClientTests() => _bystander = _server.Connect().Greet().Go();

    public void Dispose()
    {
        _bystander.ExpectInStep();
        _bystander.Dispose();
        _server.Dispose();
    }

    [Fact]
    public void Unknown_client_flags_end_the_handshake()
    {
        using RawClient client = _server.Connect().Greet(flags: 0x80);
        client.ExpectHangUp();
    }

    [Fact]
    public void A_wrong_option_magic_ends_the_handshake()
    {
        using RawClient client = _server.Connect().Greet();
        client.Send([.. "GET / HTTP/1.1\r\n\r\n"u8]);
        client.ExpectHangUp();
    }

    [Fact]
    public void An_unknown_option_is_refused_and_its_data_skipped()
    {
        using RawClient client = _server.Connect().Greet();
        client.SendOption(4711, new byte[1000]);
        Assert.Equal((uint)NbdOptionReply.ErrorUnsupported, client.ReceiveOptionReply(4711).Reply);
        client.Go().ExpectInStep();
    }

    [Theory]
    [InlineData(5)]
    [InlineData(11)]
    public void Tls_and_extended_headers_are_refused(uint option)
    {
        using RawClient client = _server.Connect().Greet();
        client.SendOption(option);
        Assert.Equal((uint)NbdOptionReply.ErrorUnsupported, client.ReceiveOptionReply(option).Reply);
        client.Go().ExpectInStep();
    }

    [Fact]
    public void A_long_option_is_drained_and_refused()
    {
        using RawClient client = _server.Connect().Greet();
        client.SendOption((uint)NbdOption.SetMetaContext, new byte[1 << 20]);
        Assert.Equal((uint)NbdOptionReply.ErrorTooBig, client.ReceiveOptionReply((uint)NbdOption.SetMetaContext).Reply);
        client.Go().ExpectInStep();
    }

    [Fact]
    public void An_absurd_option_length_ends_the_handshake()
    {
        using RawClient client = _server.Connect().Greet();
        client.Send([.. RawClient.Big(NbdWire.OptionMagic), .. RawClient.Big(7u), .. RawClient.Big(0xffffffff)]);
        client.ExpectHangUp();
    }

    [Fact]
    public void Endless_options_end_the_handshake()
    {
        using RawClient client = _server.Connect().Greet();
        Task flood = Task.Run(() =>
        {
            try
            {
                while (true)
                    client.SendOption(4711);
            }
            catch (SocketException)
            {
            }
        });
        client.ExpectHangUp();
        Assert.True(((IAsyncResult)flood).AsyncWaitHandle.WaitOne(RawClient.DeadlineMs));
    }

    [Theory]
    [InlineData(new byte[] { })]
    [InlineData(new byte[] { 0, 0, 0, 200, 65 })]
    [InlineData(new byte[] { 0, 0, 0, 1, 65, 0, 9, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 2, 0xc3, 0x28, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 2, 65, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 1, 65, 0, 0, 9, 9 })]
    public void Malformed_option_data_is_refused(byte[] data)
    {
        using RawClient client = _server.Connect().Greet();
        client.SendOption((uint)NbdOption.Go, data);
        Assert.Equal((uint)NbdOptionReply.ErrorInvalid, client.ReceiveOptionReply((uint)NbdOption.Go).Reply);
        client.Go().ExpectInStep();
    }

    [Fact]
    public void An_unknown_export_by_the_old_option_is_hung_up()
    {
        using RawClient client = _server.Connect().Greet();
        client.SendOption((uint)NbdOption.ExportName, [.. "nosuch"u8]);
        client.ExpectHangUp();
    }

    [Fact]
    public void A_wrong_request_magic_is_hung_up()
    {
        using RawClient client = _server.Connect().Greet().Go();
        client.Send(new byte[28]);
        client.ExpectHangUp();
    }

    [Theory]
    [InlineData(0, 0, 64UL << 20, 1, NbdError.EINVAL)] // read past the end
    [InlineData(0, 0, ulong.MaxValue, 2, NbdError.EINVAL)] // offset + length wraps
    [InlineData(0, 0, 0UL, (32u << 20) + 1, NbdError.EINVAL)] // more than announced
    [InlineData(1, 0, (64UL << 20) - 100, 4096, NbdError.ENOSPC)] // write past the end
    [InlineData(1, 0x8000, 0UL, 4096, NbdError.EINVAL)] // unknown flag, with a payload
    [InlineData(1, 0, 0UL, (32u << 20) + 512, NbdError.EINVAL)] // oversized write, drained
    [InlineData(3, 0, 5UL, 7, NbdError.EINVAL)] // flush of a range
    [InlineData(7, 0, 0UL, 4096, NbdError.EINVAL)] // block status that was not negotiated
    [InlineData(8, 0, 0UL, 4096, NbdError.EINVAL)] // resize
    [InlineData(0x4711, 0, 0UL, 4096, NbdError.EINVAL)] // unknown command
    public void An_invalid_request_is_refused_and_the_stream_stays_in_step(
        int command, int flags, ulong offset, uint length, NbdError error)
    {
        using RawClient client = _server.Connect().Greet().Go();
        client.Request((ushort)command, 77, offset, length, (ushort)flags, command == 1 ? new byte[length] : null);
        client.ExpectSimple(error, 77);
        client.ExpectInStep();
    }

    [Fact]
    public void An_absurd_write_is_hung_up()
    {
        using RawClient client = _server.Connect().Greet().Go();
        client.Request(1, 1, 0, 0xffffffff);
        client.ExpectHangUp();
    }

    [Fact]
    public void A_client_that_closes_within_a_payload_leaves_nothing_behind()
    {
        using (RawClient client = _server.Connect().Greet().Go())
            client.Request(1, 1, 4096, 1 << 20, payload: [.. Enumerable.Repeat((byte)0xee, 5000)]);
        _bystander.Request(0, 5, 4096, 4096);
        _bystander.ExpectSimple(NbdError.Ok, 5);
        Assert.DoesNotContain((byte)0xee, _bystander.Receive(4096));
    }

    [Fact]
    public void A_half_closed_client_gets_its_replies()
    {
        using RawClient client = _server.Connect().Greet().Go();
        for (ulong i = 0; i < 10; i++)
            client.Request(0, i, i * 4096, 4096);
        client.Socket.Shutdown(SocketShutdown.Send);
        for (ulong i = 0; i < 10; i++)
        {
            client.ExpectSimple(NbdError.Ok, i);
            client.Receive(4096);
        }

        client.ExpectHangUp();
    }

    [Fact]
    public void Disconnect_is_answered_by_what_was_asked_before_and_a_hang_up()
    {
        using RawClient client = _server.Connect().Greet().Go();
        client.Send([
            .. RawClient.RequestBytes(1, 1, 0, 4096, payload: new byte[4096]),
            .. RawClient.RequestBytes(3, 2, 0, 0),
            .. RawClient.RequestBytes(2, 3, 0, 0),
            .. RawClient.RequestBytes(3, 4, 0, 0)]);
        client.ExpectSimple(NbdError.Ok, 1);
        client.ExpectSimple(NbdError.Ok, 2);
        Assert.Empty(ReadToEnd(client));
    }

    [Fact]
    public void Requests_in_single_bytes_are_understood()
    {
        using RawClient client = _server.Connect().Greet().Go();
        foreach (byte b in RawClient.RequestBytes(1, 9, 0, 20, payload: new byte[20]))
            client.Send(b);
        client.ExpectSimple(NbdError.Ok, 9);
        client.ExpectInStep();
    }

    [Fact]
    public void Empty_requests_are_answered()
    {
        using RawClient client = _server.Connect().Greet().Structured().Go();
        client.Request(0, 1, 0, 0);
        Assert.Equal([0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], client.Receive(20));
        foreach (ushort command in new ushort[] { 1, 4, 5, 6 })
        {
            client.Request(command, command, 0, 0);
            client.ExpectSimple(NbdError.Ok, command);
        }
    }

    private static byte[] ReadToEnd(RawClient client)
    {
        byte[] buffer = new byte[4096];
        int got = client.Socket.Receive(buffer);
        return buffer[..got];
    }
}
