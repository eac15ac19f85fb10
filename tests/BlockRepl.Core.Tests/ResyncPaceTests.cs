using BlockRepl.Primitives;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests;

/// <summary>
/// The knob <c>resync-impact</c> (G9, G12): against a model of an application whose requests take longer the more of a resync is on the way, and on the simulated cluster.
/// </summary>
public class ResyncPaceTests
{
    private const double BaseUs = 400;
    private const double DataBytesPerUs = 100;

    /// <summary>What a run of the model gave.</summary>
    /// <param name="MeanUs">Mean time of the application's requests in the second half.</param>
    /// <param name="BytesPerSecond">What the resync got through in the second half.</param>
    /// <param name="P99Us">What one in a hundred of the application's requests took longer than, from the beginning on.</param>
    private sealed record Outcome(double MeanUs, double BytesPerSecond, long P99Us);

    // One client that asks anew as soon as it is answered, or after a time; what is on the way of the resync is ahead of each request.
    private static Outcome Simulate(int impactPercent, long thinkUs = 0, long seconds = 40)
    {
        var pace = new ResyncPace();
        var meter = new ApplicationMeter();
        var request = new ChangeRequest();
        Queue<(long DoneUs, int Bytes, long AskedUs)> pieces = new();
        long onTheWay = 0, linkFreeUs = 0, answerUs = -1, nextAskUs = 0;
        long answers = 0, timeSum = 0, askedUs = 0, moved = 0;
        List<long> times = [];
        for (long now = 1_000_000, end = now + seconds * 1_000_000, half = now + seconds * 500_000; now < end; now += 100)
        {
            while (pieces.TryPeek(out (long DoneUs, int Bytes, long AskedUs) piece) && piece.DoneUs <= now)
            {
                pieces.Dequeue();
                onTheWay -= piece.Bytes;
                moved += now >= half ? piece.Bytes : 0;
                pace.PieceDone(piece.Bytes, now - piece.AskedUs, now);
            }

            if (answerUs >= 0 && answerUs <= now)
            {
                meter.Answered(request, answerUs);
                times.Add(answerUs - askedUs);
                answers += now >= half ? 1 : 0;
                timeSum += now >= half ? answerUs - askedUs : 0;
                nextAskUs = answerUs + thinkUs;
                answerUs = -1;
            }

            if (answerUs < 0 && nextAskUs <= now && thinkUs >= 0)
            {
                askedUs = now;
                meter.Asked(request, now);
                answerUs = now + (long)(BaseUs + onTheWay / DataBytesPerUs);
            }

            pace.Advance(meter, impactPercent, onTheWay, now);
            while (pace.MayRead(onTheWay, now))
            {
                int bytes = pace.PieceBytes;
                onTheWay += bytes;
                linkFreeUs = Math.Max(linkFreeUs, now) + (long)(bytes / DataBytesPerUs);
                pieces.Enqueue((linkFreeUs, bytes, now));
            }
        }

        times.Sort();
        return new Outcome((double)timeSum / Math.Max(1, answers), moved * 2.0 / seconds, times.Count == 0 ? 0 : times[times.Count * 99 / 100]);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(30)]
    [InlineData(60)]
    public void The_application_keeps_what_the_knob_leaves_it_and_the_resync_takes_the_rest(int impactPercent)
    {
        Outcome outcome = Simulate(impactPercent);
        double allowed = BaseUs * 100 / (100 - impactPercent);
        Assert.InRange(outcome.MeanUs, BaseUs, allowed * 1.1);
        Assert.True(outcome.BytesPerSecond > 1 << 20, $"{outcome.BytesPerSecond} bytes a second");
    }

    /// <summary>Nor while the pace is still being found: a resync of twelve seconds does not make the slowest hundredth three times as slow.</summary>
    [Fact]
    public void The_slowest_requests_are_kept_within_bounds_from_the_beginning_on()
    {
        Outcome outcome = Simulate(30, seconds: 12);
        Assert.InRange(outcome.P99Us, BaseUs, 3 * BaseUs);
    }

    [Fact]
    public void A_larger_knob_gives_the_resync_more()
    {
        double before = 0;
        foreach (int impact in new[] { 5, 30, 60, 90 })
        {
            double now = Simulate(impact).BytesPerSecond;
            Assert.True(now > before, $"{impact} %: {now}, before {before}");
            before = now;
        }
    }

    [Fact]
    public void With_100_percent_or_without_an_application_the_resync_takes_the_link()
    {
        Assert.True(Simulate(100).BytesPerSecond > 0.95 * DataBytesPerUs * 1e6);
        Assert.True(Simulate(30, thinkUs: -1).BytesPerSecond > 0.95 * DataBytesPerUs * 1e6);
    }

    /// <summary>An application that asks seldom is not slowed down beyond the knob either.</summary>
    [Fact]
    public void A_quiet_application_is_measured_as_well()
    {
        Outcome outcome = Simulate(30, thinkUs: 20_000);
        Assert.InRange(outcome.MeanUs, BaseUs, BaseUs / 0.7 * 1.2);
    }

    /// <summary>c-min-rate: with the smallest knob and an application that any piece hurts, the resync still ends.</summary>
    [Fact]
    public void G9_a_resync_always_ends_however_busy_the_application()
    {
        Outcome outcome = Simulate(1);
        Assert.True(outcome.BytesPerSecond >= 200 << 10, $"{outcome.BytesPerSecond} bytes a second");
    }

    /// <summary>An application that is never answered while the resync runs is no reason to stop for ever.</summary>
    [Fact]
    public void A_probe_ends_without_any_answer()
    {
        var pace = new ResyncPace();
        var meter = new ApplicationMeter();
        meter.Asked(new ChangeRequest(), 0);
        int pieces = 0;
        for (long now = 0; now < 10_000_000; now += 1_000)
        {
            pace.Advance(meter, 30, 0, now);
            if (!pace.MayRead(0, now))
                continue;
            pieces++;
            pace.PieceDone(pace.PieceBytes, 1_000, now);
        }

        Assert.True(pieces >= 20);
    }

    /// <summary>On a cluster under load whose time passes: the resync is held back, says so, and ends; the source knows of every piece when it is written.</summary>
    [Fact]
    public void A_resync_on_a_busy_cluster_ends_and_says_what_it_waits_for()
    {
        ClusterHarness cluster = ResyncTests.WithMissedWrites(400, s => s with { ResyncImpactPercent = 30 });
        cluster.IsNetworkUp = true;
        bool wasHeldBack = false;
        bool isOver = false;
        for (int i = 0; i < 20_000 && !isOver; i++)
        {
            ClientRequest write = cluster.Write(cluster.Alpha, (8 << 20) + i % 64 * (long)Block.Size);
            for (int step = 0; step < 12; step++)
                cluster.StepOnce();
            cluster.Tick(2);
            cluster.Run();
            Assert.True(write.IsAcknowledged);
            ResyncProgress? progress = cluster.Alpha.Status.Resync(ClusterHarness.Volume0, ClusterHarness.PeerOf);
            wasHeldBack |= progress is { } running && running.WaitingFor.Contains("resync-impact", StringComparison.Ordinal);
            isOver = progress is null && cluster.Alpha.Status.OutOfSyncBlocks(ClusterHarness.Volume0, ClusterHarness.PeerOf) == 0;
        }

        Assert.True(wasHeldBack);
        Assert.True(isOver);
        cluster.AssertInSync();
    }
}
