namespace BlockRepl.Cli.Demo;

/// <summary>Shows the demonstration to whoever watches. One caller at a time.</summary>
internal abstract class DemoView
{
    /// <summary>What this is, at the start.</summary>
    public abstract void Title(string title, string explanation);

    /// <summary>Shows the board at intervals until <paramref name="work"/> ends, however it ends; its failure is the caller's.</summary>
    public abstract Task WatchAsync(string step, DemoBoard board, Task work);

    /// <summary>A step is done.</summary>
    /// <param name="step">What it was.</param>
    /// <param name="took">How long it took.</param>
    /// <param name="lines">What came of it.</param>
    public abstract void Done(string step, TimeSpan took, IReadOnlyList<string> lines);

    /// <summary>Something failed, or was interrupted.</summary>
    public abstract void Failed(string step, IReadOnlyList<string> lines);

    /// <summary>The end: a headline, and facts with their names.</summary>
    public abstract void Summary(string headline, IReadOnlyList<(string Name, string Value)> facts);

    /// <summary>More lines, as they are.</summary>
    public abstract void Lines(IReadOnlyList<string> lines);

    /// <summary>Calls <paramref name="tick"/> at intervals until <paramref name="work"/> ends.</summary>
    protected static async Task TickAsync(TimeSpan interval, Task work, Action tick)
    {
        using var timer = new PeriodicTimer(interval);
        while (true)
        {
            var due = timer.WaitForNextTickAsync().AsTask();
            if (await Task.WhenAny(work, due) == work)
                return;
            tick();
        }
    }
}
