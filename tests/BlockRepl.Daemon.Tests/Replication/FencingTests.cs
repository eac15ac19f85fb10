using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>Fencing with real programs between two nodes in one process (G6, G13).</summary>
public sealed class FencingTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string AnswerFile => Path.Combine(_directory.Path, "answer");

    [Theory]
    [InlineData(4, true)]
    [InlineData(1, false)]
    public async Task G13_a_stonith_Primary_answers_only_after_its_handler_or_a_person(int exitCode, bool succeeds)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(Settings("resource-and-stonith"));
        using var client = new Client(nodes.AlphaVolume);

        // A Primary that disconnects outdates its peer first and fences nobody: this one is lost.
        nodes.KillBeta();
        await nodes.AwaitAsync(nodes.Alpha, status => status.Suspended.Contains("fencing"));
        Task<NbdError> write = Task.Run(() => client.Do(NbdCommand.Write, 0, 4096));
        Assert.Contains("fence-peer has been running", nodes.Alpha.GetStatus()[0].SuspendedDetails[0].Detail, StringComparison.Ordinal);
        Assert.False(write.IsCompleted);
        await File.WriteAllTextAsync(AnswerFile, $"{exitCode}");
        if (!succeeds)
        {
            await nodes.AwaitAsync(nodes.Alpha, status => status.SuspendedDetails is [{ Detail: { } detail }] && detail.Contains("resume-io", StringComparison.Ordinal));
            Assert.False(write.IsCompleted);
            Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.ResumeIo)).ExitCode);
        }

        Assert.Equal(NbdError.Ok, await write);
        await nodes.AwaitAsync(nodes.Alpha, status => status.Suspended.Count == 0);
        Assert.Equal(succeeds ? "outdated" : null, nodes.Alpha.GetStatus()[0].Connections[0].Fence);
    }

    /// <summary>G6: the promotion waits for the handler; what the handler itself might ask of this node does not wait for the promotion.</summary>
    [Theory]
    [InlineData(4, 0)]
    [InlineData(5, 17)]
    public async Task G6_a_promotion_waits_for_the_handler_and_holds_nobody_up(int fenceCode, int exitCode)
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(Settings("resource-only"));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary)).ExitCode);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Disconnect)).ExitCode);
        await nodes.AwaitAsync(nodes.Beta, status => status.Volumes[0].DiskState == DiskState.Consistent);
        Assert.False(nodes.Beta.GetStatus()[0].MayPromote);
        Task<ControlResult> promotion = TwoNodes.DoAsync(nodes.Beta, ControlVerb.Primary);
        await nodes.AwaitAsync(nodes.Beta, status => status.AwaitsFence);
        ControlResult other = await TwoNodes.DoAsync(nodes.Beta, ControlVerb.Secondary);
        Assert.Equal(11, other.ExitCode);
        Assert.Contains("fence-peer", other.Message, StringComparison.Ordinal);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Beta, ControlVerb.ResumeIo)).ExitCode);
        Assert.False(promotion.IsCompleted);
        await File.WriteAllTextAsync(AnswerFile, $"{fenceCode}");
        Assert.Equal(exitCode, (await promotion).ExitCode);
        Assert.Equal(exitCode == 0 ? Role.Primary : Role.Secondary, nodes.Beta.GetStatus()[0].Role);
    }

    /// <summary>The end of the daemon does not wait for a handler.</summary>
    [Fact]
    public async Task A_stop_ends_a_promotion_that_waits_for_a_handler()
    {
        Task<ControlResult> promotion;
        await using (TwoNodes nodes = await TwoNodes.InSyncAsync(Settings("resource-only")))
        {
            await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary);
            await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Disconnect);
            await nodes.AwaitAsync(nodes.Beta, status => status.Volumes[0].DiskState == DiskState.Consistent);
            promotion = TwoNodes.DoAsync(nodes.Beta, ControlVerb.Primary);
            await nodes.AwaitAsync(nodes.Beta, status => status.AwaitsFence);
        }

        Assert.Equal(17, (await promotion).ExitCode);
    }

    /// <summary>What a cluster manager's agent says is there for a person, also while a promotion waits for its handler; rubbish is refused.</summary>
    [Fact]
    public async Task A_note_stands_beside_the_status_until_it_is_taken_away()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync(Settings("resource-only"));
        async Task<int> NoteAsync(string? text) => (await nodes.Beta.ExecuteAsync(
            new ControlCommand(ControlVerb.Note, TwoNodes.Resource, null, new ControlOptions { Text = text }), default)).ExitCode;
        await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Secondary);
        await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.Disconnect);
        await nodes.AwaitAsync(nodes.Beta, status => status.Volumes[0].DiskState == DiskState.Consistent);
        Task<ControlResult> promotion = TwoNodes.DoAsync(nodes.Beta, ControlVerb.Primary);
        await nodes.AwaitAsync(nodes.Beta, status => status.AwaitsFence);

        Assert.Equal(0, await NoteAsync("no fence device"));
        Assert.Equal(("no fence device", "resource-only"), (nodes.Beta.GetStatus()[0].Note, nodes.Beta.GetStatus()[0].Fencing));
        Assert.Equal(2, await NoteAsync("two\nlines"));
        Assert.Equal(2, await NoteAsync(new string('x', 1001)));
        Assert.Equal("no fence device", nodes.Beta.GetStatus()[0].Note);
        Assert.Equal(0, await NoteAsync(null));
        Assert.Null(nodes.Beta.GetStatus()[0].Note);
        await File.WriteAllTextAsync(AnswerFile, "5");
        Assert.Equal(17, (await promotion).ExitCode);
    }

    [Fact]
    public async Task Suspended_writes_wait_and_reads_go_on()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var client = new Client(nodes.AlphaVolume);
        using var reader = new Client(nodes.AlphaVolume);
        client.Data.Fill(5);
        Assert.Equal(NbdError.Ok, client.Do(NbdCommand.Write, 0, 4096));
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.SuspendIo)).ExitCode);
        client.Data.Fill(6);
        Task<NbdError> write = Task.Run(() => client.Do(NbdCommand.Write, 0, 4096));
        Assert.Equal(NbdError.Ok, reader.Do(NbdCommand.Read, 0, 4096));
        Assert.Equal(5, reader.Data[0]);
        Assert.Equal(["user"], nodes.Alpha.GetStatus()[0].Suspended);
        Assert.False(write.IsCompleted);
        Assert.Equal(0, (await TwoNodes.DoAsync(nodes.Alpha, ControlVerb.ResumeIo)).ExitCode);
        Assert.Equal(NbdError.Ok, await write);
        Assert.Equal(NbdError.Ok, reader.Do(NbdCommand.Read, 0, 4096));
        Assert.Equal(6, reader.Data[0]);
    }

    public void Dispose() => _directory.Dispose();

    private string Settings(string policy)
    {
        string script = Path.Combine(_directory.Path, "fence.sh");
        File.WriteAllText(script, $"while [ ! -s {AnswerFile} ]; do sleep 0.05; done\nexit $(cat {AnswerFile})\n");
        return $$"""
            fencing: {{policy}}
                handlers: { fence-peer: "exec sh {{script}}" }
            """;
    }
}
