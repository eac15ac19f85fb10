using BlockRepl.Conformance.Server;
using BlockRepl.Nbd;

namespace BlockRepl.Conformance;

/// <summary>Hard part 8: a client's request may come twice, on another connection, while the first is still running.</summary>
public sealed class ReplacedConnectionTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Hard_part_08_nothing_of_a_closed_connection_is_submitted_after_its_successor_began(bool overTcp)
    {
        var export = new HoldingExport();
        using var server = new TestServer(export: export);
        Func<RawClient> connect = server.Connect;
        if (overTcp)
        {
            var endpoint = server.Server.ListenTcp(new(System.Net.IPAddress.Loopback, 0));
            connect = () => TestServer.Connect(endpoint);
        }

        export.StallAt(1);
        RawClient first = connect().Greet().Go();
        first.Request(1, 1, 0, 512, payload: new byte[512]);
        export.WaitUntilStalled();
        // These wait in the socket's buffer while the first stalls.
        for (ulong cookie = 2; cookie < 100; cookie++)
            first.Request(1, cookie, 0, 512, payload: new byte[512]);
        first.Dispose();
        using RawClient second = connect().Greet().Go();
        second.Request(1, 1001, 0, 512, payload: new byte[512]);
        second.Request(1, 1002, 0, 512, payload: new byte[512]);
        second.ExpectNothingMore(); // the successor waits for the Submit that is under way
        Assert.Empty(export.Submitted);
        export.Release();
        second.ExpectSimple(NbdError.Ok, 1001);
        second.ExpectSimple(NbdError.Ok, 1002);
        second.Request(3, 1003, 0, 0);
        second.ExpectSimple(NbdError.Ok, 1003);
        // The stalled request keeps its place before the successor's; nothing else of the first connection follows.
        Assert.Equal([1UL, 1001UL, 1002UL, 1003UL], export.Submitted);
    }

    [Fact]
    public void What_a_closed_connection_had_submitted_keeps_its_place_and_is_completed()
    {
        var export = new HoldingExport { Holds = true };
        using var server = new TestServer(export: export);
        RawClient first = server.Connect().Greet().Go();
        first.Request(1, 1, 0, 512, payload: new byte[512]);
        export.WaitUntilSubmitted(1);
        first.Dispose();
        using RawClient second = server.Connect().Greet().Go();
        second.Request(1, 1001, 0, 512, payload: new byte[512]);
        export.WaitUntilSubmitted(2);
        Assert.Equal([1UL, 1001UL], export.Submitted);
        Assert.Equal(2, export.CompleteHeld());
        second.ExpectSimple(NbdError.Ok, 1001);
    }

    [Fact]
    public void Living_connections_do_not_hinder_each_other()
    {
        var export = new HoldingExport();
        using var server = new TestServer(export: export);
        export.StallAt(1);
        using RawClient first = server.Connect().Greet().Go();
        using RawClient second = server.Connect().Greet().Go();
        first.Request(1, 1, 0, 512, payload: new byte[512]);
        export.WaitUntilStalled();
        second.Request(1, 1001, 0, 512, payload: new byte[512]);
        second.ExpectSimple(NbdError.Ok, 1001);
        export.Release();
        first.ExpectSimple(NbdError.Ok, 1);
    }
}
