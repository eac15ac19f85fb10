using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Tests.Control;

/// <summary>Hard part 26.</summary>
public sealed class RunDirectoryTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_second_daemon_is_refused_by_the_first_ones_pid_and_touches_nothing()
    {
        using var first = RunDirectory.Open(_directory.File("run"));
        File.WriteAllText(first.ControlSocket, "the first daemon's");

        var refusal = Assert.Throws<DaemonStartException>(() => RunDirectory.Open(_directory.File("run")));

        Assert.Equal($"another blockrepl daemon, process {Environment.ProcessId}, already serves the run directory {first.Path}", refusal.Message);
        Assert.Equal(ExitCodes.Failed, refusal.ExitCode);
        Assert.Equal("the first daemon's", File.ReadAllText(first.ControlSocket));
    }

    [Fact]
    public void A_directory_that_was_left_is_free_again()
    {
        var first = RunDirectory.Open(_directory.Path);
        File.WriteAllText(first.NbdSocket, "");
        first.Dispose();

        Assert.False(File.Exists(first.NbdSocket));
        using var second = RunDirectory.Open(_directory.Path);
        Assert.Contains($"process {Environment.ProcessId},", Assert.Throws<DaemonStartException>(() => RunDirectory.Open(_directory.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hard_part_26_what_a_killed_daemon_left_does_not_stop_a_new_one()
    {
        // Process 1 lives, and is not a daemon: only the lock counts, never the number in the file.
        File.WriteAllText(_directory.File("daemon.lock"), "1\n");
        using var directory = RunDirectory.Open(_directory.Path);
        Assert.Contains($"process {Environment.ProcessId},", Assert.Throws<DaemonStartException>(() => RunDirectory.Open(_directory.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_that_cannot_be_had_is_refused_in_words()
    {
        File.WriteAllText(_directory.File("file"), "");
        Assert.Contains("cannot be used", Assert.Throws<DaemonStartException>(() => RunDirectory.Open(_directory.File("file"))).Message, StringComparison.Ordinal);
        Assert.Contains("too long", Assert.Throws<DaemonStartException>(() => RunDirectory.Open(_directory.File(new string('x', 100)))).Message, StringComparison.Ordinal);
    }
}
