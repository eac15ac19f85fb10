using BlockRepl.Daemon.Replication;

namespace BlockRepl.Daemon.Tests.Replication;

public sealed class StateAgesTests
{
    [Fact]
    public void An_age_counts_from_when_it_was_first_seen_unwell_until_it_is_well_again()
    {
        var ages = new StateAges();
        Assert.Equal(0, ages.SecondsUnwell("beta", isWell: true, nowMs: 1_000));
        Assert.Equal(0, ages.SecondsUnwell("beta", isWell: false, nowMs: 5_000));
        // Another state that is no better does not begin it anew.
        Assert.Equal(59, ages.SecondsUnwell("beta", isWell: false, nowMs: 64_999));
        Assert.Equal(60, ages.SecondsUnwell("beta", isWell: false, nowMs: 65_000));
        Assert.Equal(0, ages.SecondsUnwell("beta/spool", isWell: false, nowMs: 65_000));
        Assert.Equal(0, ages.SecondsUnwell("beta", isWell: true, nowMs: 66_000));
        Assert.Equal(0, ages.SecondsUnwell("beta", isWell: false, nowMs: 70_000));
    }
}
