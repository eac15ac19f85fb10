using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>A resource as an operator handles it: each verb, what it checks outside Core (clients, files), and what it asks of Core. One command at a time.</summary>
internal sealed partial class ManagedResource : IDisposable
{
    private const int NoteCharsMax = 1000;

    private static readonly TimeSpan ClientLeaves = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly DaemonContext _context;
    private readonly DiskVerbs _disks;
    private readonly ILogger _log;

    public ManagedResource(ResourceRuntime runtime, DaemonContext context)
    {
        Runtime = runtime;
        _disks = new DiskVerbs(runtime, context);
        _context = context;
        _log = context.Loggers.CreateLogger("BlockRepl.Resource");
        runtime.AttachAgain = volume => _ = Task.Run(() => AttachAgainAsync(volume));
    }

    public ResourceRuntime Runtime { get; }

    /// <summary>The last <see cref="UpAsync"/> found a disk in somebody else's hands.</summary>
    public bool FoundBusyDisk { get; private set; }

    /// <summary>Nothing is attached and no connection is wanted.</summary>
    public bool IsDown => Runtime.Volumes.All(volume => volume.Disk is null)
        && Runtime.GetStatus().Connections.All(connection => connection.ConnectionState == ConnectionState.StandAlone);

    /// <summary>Another object has taken its place, or it is not configured any more: it carries out no more commands.</summary>
    public bool IsRetired { get; set; }

    private string Name => Runtime.Settings.Name;

    /// <summary>Carries out one verb.</summary>
    public async Task<ControlResult> ExecuteAsync(ControlCommand command)
    {
        // What a handler says on this node, and what a person says about a promotion that hangs on one, must not wait for that promotion. Core orders these by itself.
        switch (command.Verb)
        {
            case ControlVerb.Outdate:
                return await AskAsync(new OperatorCommand(OperatorVerb.Outdate));
            case ControlVerb.SuspendIo:
                return await AskAsync(new OperatorCommand(OperatorVerb.SuspendIo));
            case ControlVerb.ResumeIo:
                return await AskAsync(new OperatorCommand(OperatorVerb.ResumeIo));
            case ControlVerb.Note:
                return KeepNote(command.Options.Text);
            default:
                break;
        }

        if (await EnterAsync() is { } refusal)
            return refusal;
        try
        {
            if (IsRetired)
                return ControlResult.Refused($"{Name} was changed by adjust meanwhile", "try again");
            return command.Verb switch
            {
                ControlVerb.Up => await BringUpAsync(),
                ControlVerb.Down => await TakeDownAsync(abortClients: false),
                ControlVerb.Attach => await _disks.AttachAsync(command.Volume),
                ControlVerb.Detach => await _disks.DetachAsync(command.Volume, AskAsync),
                ControlVerb.Primary => await PromoteAsync(command.Options.Force),
                ControlVerb.Secondary => await DemoteAsync(command.Options.Force),
                ControlVerb.Connect => await ConnectAsync(command.Options.DiscardMyData),
                ControlVerb.Disconnect => await AskAsync(new OperatorCommand(OperatorVerb.Disconnect)),
                ControlVerb.ShowGi or ControlVerb.GetGi => GenerationVerbs.Answer(Runtime, command),
                ControlVerb.NewCurrentUuid when command.Options.ClearBitmap => await AskAsync(new OperatorCommand(OperatorVerb.SkipInitialSync)),
                ControlVerb.Invalidate => await AskAsync(Command(OperatorVerb.Invalidate, command.Volume)),
                ControlVerb.InvalidateRemote => await AskAsync(Command(OperatorVerb.InvalidateRemote, command.Volume)),
                ControlVerb.Resize => await ResizeAsync(command),
                ControlVerb.DeviceAttach or ControlVerb.DeviceDetach => await _context.Devices.ExecuteAsync(this, command),
                ControlVerb.PauseSync => await AskAsync(Command(OperatorVerb.PauseSync, command.Volume)),
                ControlVerb.ResumeSync => await AskAsync(Command(OperatorVerb.ResumeSync, command.Volume)),
                ControlVerb.Verify => await AskAsync(Command(OperatorVerb.Verify, command.Volume) with { Verify = VerifyOptionsOf(command.Options) }),
                _ => ControlResult.NotImplemented(command.Verb),
            };
        }
        finally
        {
            _one.Release();
        }
    }

    private ControlResult KeepNote(string? text)
    {
        if (text is { Length: > NoteCharsMax })
            return new ControlResult(ExitCodes.Usage, $"a note has at most {NoteCharsMax} characters, and this one {text.Length}");
        if (text is not null && text.Any(char.IsControl))
            return new ControlResult(ExitCodes.Usage, "a note is one line");
        Runtime.Note = string.IsNullOrWhiteSpace(text) ? null : text;
        Runtime.PublishStatus();
        return ControlResult.Done;
    }

    /// <summary>Attaches the disks and connects.</summary>
    public async Task<ControlResult> UpAsync()
    {
        await _one.WaitAsync();
        try
        {
            return await BringUpAsync();
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Runs something that no command may run beside.</summary>
    public async Task<ControlResult> AloneAsync(Func<Task<ControlResult>> work)
    {
        await _one.WaitAsync();
        try
        {
            return await work();
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Taken down for good: with success no command reaches it any more.</summary>
    public Task<ControlResult> RetireAsync(bool abortClients) => AloneAsync(async () =>
    {
        ControlResult down = await TakeDownAsync(abortClients);
        IsRetired = down.ExitCode == ExitCodes.Done;
        return down;
    });

    /// <summary>The daemon ends: clients go, the resource is demoted and taken down.</summary>
    public async Task StopAsync()
    {
        // A promotion that waits for a handler must not hold the stop up.
        Runtime.Handlers.Stop();
        await _one.WaitAsync();
        try
        {
            ControlResult result = await TakeDownAsync(abortClients: true);
            if (result.ExitCode != ExitCodes.Done)
                LogNotDown(_log, Name, result.Message ?? "");
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Runtime.Dispose();
        _one.Dispose();
    }

    // Waits for its turn, but not behind a promotion that waits for its fence-peer handler: that may be the one who asks.
    private async Task<ControlResult?> EnterAsync()
    {
        using var giveUp = new CancellationTokenSource();
        Task turn = _one.WaitAsync(giveUp.Token);
        while (!turn.IsCompleted)
        {
            Task change = _context.Events.NextChangeAsync();
            if (Runtime.GetStatus().AwaitsFence)
                await giveUp.CancelAsync();
            await Task.WhenAny(turn, change);
        }

        return turn.IsCanceled
            ? ControlResult.Refused($"a promotion of {Name} waits for its fence-peer handler", "try again when it is over; see status")
            : null;
    }

    /// <summary>Adds a volume that the changed file has, with its disk; the connection is made anew with it.</summary>
    public Task<ControlResult> AddVolumeAsync(VolumeConfiguration added) => AloneAsync(async () =>
    {
        RuntimeVolume volume = Runtime.AddVolume(added);
        ControlResult attached = await _disks.AttachAsync(volume, isNew: true);
        if (attached.ExitCode == ExitCodes.Done && Runtime.GetStatus() is { Role: Role.Primary } status)
            volume.Clients.Open(status.Of(volume).SizeBytes);
        return attached;
    });

    /// <summary>Takes a volume out that the changed file does not have any more.</summary>
    public Task<ControlResult> RemoveVolumeAsync(RuntimeVolume volume, bool force) => AloneAsync(async () =>
    {
        if (await _context.Devices.ReleaseAsync([volume.Name], force) is { } used)
            return used;
        if (!volume.Clients.Close(force, $"{volume.Name} is being removed"))
            return ControlResult.Refused($"{volume.Name} is in use by {volume.Clients.Count} NBD client(s)", "unmount and disconnect them first, or end them: --force");
        await volume.Clients.WhenUnusedAsync();
        VolumeDisk? disk = volume.Disk;
        ControlResult removed = await AskAsync(new OperatorCommand(OperatorVerb.RemoveVolume) { Volume = volume.Configuration.Nr });
        if (removed.ExitCode == ExitCodes.StateRefused)
        {
            volume.Clients.Open(Runtime.GetStatus().Of(volume).SizeBytes);
            return removed;
        }

        if (disk is not null)
            await disk.Left;
        Runtime.RemoveVolume(volume);
        return removed;
    });

    private async Task AttachAgainAsync(RuntimeVolume volume)
    {
        ControlResult attached = await AloneAsync(() => volume.Disk is null ? _disks.AttachAsync(volume) : Task.FromResult(ControlResult.Done));
        if (attached.ExitCode != ExitCodes.Done)
            LogNotAttached(_log, volume.Name, attached.Message ?? "");
    }

    private async Task<ControlResult> BringUpAsync()
    {
        FoundBusyDisk = false;
        foreach (RuntimeVolume volume in Runtime.Volumes)
        {
            if (volume.Disk is not null)
                continue;
            ControlResult attached = Runtime.GetStatus().Role == Role.Primary
                ? ControlResult.Refused(
                    $"{volume.Name} has no disk while {Name} is Primary here", $"take its mended disk back: blockrepl attach {volume.Name}; or let the other node be Primary: blockrepl secondary {Name}")
                : await _disks.AttachAsync(volume);
            FoundBusyDisk = _disks.FoundBusyDisk;
            if (attached.ExitCode != ExitCodes.Done)
                return attached;
        }

        return await AskAsync(new OperatorCommand(OperatorVerb.Connect));
    }

    private async Task<ControlResult> TakeDownAsync(bool abortClients)
    {
        ControlResult demoted = await DemoteAsync(abortClients);
        if (demoted.ExitCode != ExitCodes.Done)
            return demoted;

        VolumeDisk?[] disks = [.. Runtime.Volumes.Select(volume => volume.Disk)];
        ControlResult down = await AskAsync(new OperatorCommand(OperatorVerb.Down));
        foreach (VolumeDisk? disk in disks)
        {
            if (disk is not null && down.ExitCode == ExitCodes.Done)
                await disk.Left;
        }

        return down.ExitCode == ExitCodes.Done && Runtime.Volumes.Select(volume => volume.Leaving.First()).FirstOrDefault(call => call is not null) is { } hanging
            ? ControlResult.Answer($"{Name} is down, but {hanging}; the disk is let go when it does")
            : down;
    }

    private async Task<ControlResult> PromoteAsync(bool force)
    {
        ControlResult result = await AskAsync(new OperatorCommand(OperatorVerb.Primary) { Force = force });
        if (result.ExitCode != ExitCodes.Done)
            return result;
        ResourceStatus status = Runtime.GetStatus();
        foreach (RuntimeVolume volume in Runtime.Volumes)
            volume.Clients.Open(status.Of(volume).SizeBytes);
        return result;
    }

    private async Task<ControlResult> DemoteAsync(bool force)
    {
        // Also on a Secondary: there may be devices that wait for it to become Primary again.
        if (await _context.Devices.ReleaseAsync([.. Runtime.Volumes.Select(volume => volume.Name)], force) is { } used)
            return used;
        if (Runtime.GetStatus().Role != Role.Primary)
            return ControlResult.Done;
        foreach (RuntimeVolume volume in Runtime.Volumes)
        {
            if (volume.Clients.Close(force, $"{Name} is being demoted"))
                continue;

            // A client that has hung up a moment ago may still be on its way out.
            Task left = volume.Clients.WhenUnusedAsync();
            if (await Task.WhenAny(left, PatienceAsync()) == left && volume.Clients.Close(force, $"{Name} is being demoted"))
                continue;
            Reopen();
            return ControlResult.Refused(
                $"{volume.Name} is in use by {volume.Clients.Count} NBD client(s)", "unmount and disconnect them first, or end them: --force");
        }

        ControlResult result = await AskAsync(new OperatorCommand(OperatorVerb.Secondary));
        if (result.ExitCode != ExitCodes.Done)
            Reopen();
        return result;
    }

    private static async Task PatienceAsync()
    {
        using var timer = new PeriodicTimer(ClientLeaves);
        await timer.WaitForNextTickAsync();
    }

    private void Reopen()
    {
        ResourceStatus status = Runtime.GetStatus();
        foreach (RuntimeVolume volume in Runtime.Volumes)
            volume.Clients.Open(status.Of(volume).SizeBytes);
    }

    private async Task<ControlResult> ResizeAsync(ControlCommand command)
    {
        if (command.Options.SizeBytes > 0 && command.Volume is null && Runtime.Volumes.Length > 1)
            return new ControlResult(ExitCodes.Usage, $"--size is for one volume, and {Name} has {Runtime.Volumes.Length}", $"name it: {Name}/VOLUME");
        List<string> done = [];
        foreach (RuntimeVolume volume in Runtime.Volumes)
        {
            if (command.Volume is not null && volume.Configuration.Name != command.Volume)
                continue;
            ControlResult result = await AskAsync(new OperatorCommand(OperatorVerb.Resize)
            {
                Volume = volume.Configuration.Nr,
                SizeBytes = command.Options.SizeBytes,
                AssumeEqual = command.Options.AssumeClean,
            });
            if (result.ExitCode != ExitCodes.Done)
                return result;
            done.Add(result.Message ?? "");
        }

        return ControlResult.Answer(string.Join('\n', done));
    }

    private Task<ControlResult> ConnectAsync(bool discardMyData)
    {
        if (discardMyData && Runtime.GetStatus().Role == Role.Primary)
        {
            return Task.FromResult(ControlResult.Refused(
                $"{Name} is Primary here: its data is in use and cannot be discarded", $"demote it first: blockrepl secondary {Name}"));
        }

        return AskAsync(new OperatorCommand(OperatorVerb.Connect) { DiscardMyData = discardMyData });
    }

    // The names have been checked against the status.
    private OperatorCommand Command(OperatorVerb verb, string? volume)
    {
        RuntimeVolume? named = Runtime.Volumes.FirstOrDefault(candidate => candidate.Configuration.Name == volume);
        return new OperatorCommand(verb) { Volume = named?.Configuration.Nr };
    }

    private static VerifyOptions VerifyOptionsOf(ControlOptions options) => new()
    {
        StartBytes = options.StartBytes,
        StopBytes = options.StopBytes,
        Repair = options.Repair,
        RepairFrom = options.RepairFrom,
    };

    private async Task<ControlResult> AskAsync(OperatorCommand command)
    {
        CommandResult result = await Runtime.CommandAsync(command);
        return new ControlResult(
            result.ExitCode,
            result.Message.Length > 0 ? result.Message : null,
            result.Hint.Length > 0 ? result.Hint : null);
    }

    [LoggerMessage(EventId = 232, Level = LogLevel.Warning, Message = "{Volume} was not attached again: {Why}")]
    private static partial void LogNotAttached(ILogger logger, string volume, string why);

    [LoggerMessage(EventId = 231, Level = LogLevel.Warning, Message = "{Resource} was not taken down in good order: {Why}")]
    private static partial void LogNotDown(ILogger logger, string resource, string why);
}
