namespace BlockRepl.Device.Tests;

public class ReadAheadTests
{
    private const long Step = 64 << 10;

    [Fact]
    public void A_stream_is_asked_for_ahead_once_it_has_run_for_a_while_and_each_byte_once()
    {
        var readAhead = new ReadAhead();
        long asked = 0;
        long reached = 0;
        for (long at = 0; at < 8 << 20; at += Step)
        {
            long bytes = readAhead.Note(at, Step, out long from);
            if (bytes == 0)
                continue;
            Assert.True(at + Step >= ReadAhead.RunBytesMin);
            Assert.True(from >= at + Step, "it asks for what is being read");
            Assert.True(reached == 0 || from == reached, "it asks twice for a byte, or leaves some out");
            reached = from + bytes;
            asked += bytes;
        }

        Assert.True(asked >= 7 << 20);
        Assert.True(reached - (8 << 20) <= 2 * ReadAhead.WindowBytes, "it runs away from its reader");
    }

    [Fact]
    public void Reads_here_and_there_ask_for_nothing()
    {
        var readAhead = new ReadAhead();
        for (int i = 0; i < 1_000; i++)
            Assert.Equal(0, readAhead.Note(i * 7_919L % 1_000 * (1 << 20), 4096, out _));
    }

    [Fact]
    public void A_stream_that_begins_anew_elsewhere_begins_anew()
    {
        var readAhead = new ReadAhead();
        for (long at = 0; at < 1 << 20; at += Step)
            readAhead.Note(at, Step, out _);
        Assert.Equal(0, readAhead.Note(1L << 30, Step, out _));
        long first = 0;
        for (long at = (1L << 30) + Step; first == 0; at += Step)
            first = readAhead.Note(at, Step, out _);
        Assert.Equal(ReadAhead.WindowBytes, first);
    }
}
