namespace BlockRepl.Core;

/// <summary>One operator's command that is carried out on several volumes: answered once, when all are done, with the first failure if there was one.</summary>
internal sealed class CommandBatch(ResourceContext context, object? cookie)
{
    private CommandResult _result = CommandResult.Ok;
    private int _pending = 1;

    /// <summary>One more part.</summary>
    public void Begin() => _pending++;

    /// <summary>A part is over.</summary>
    public void End(CommandResult result)
    {
        if (_result.ExitCode == 0)
            _result = result;
        if (--_pending == 0)
            context.CompleteCommand(cookie, _result);
    }

    /// <summary>All parts have been begun.</summary>
    public void CompleteIfDone() => End(CommandResult.Ok);
}
