using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>Opens a resource's disks and hands them to Core, and takes them away again: what <c>up</c>, <c>attach</c> and <c>detach</c> do. One command at a time.</summary>
internal sealed partial class DiskVerbs
{
    private static readonly TimeSpan Closes = TimeSpan.FromSeconds(5);

    private readonly ResourceRuntime _runtime;
    private readonly DaemonContext _context;
    private readonly ILogger _log;

    public DiskVerbs(ResourceRuntime runtime, DaemonContext context)
    {
        _runtime = runtime;
        _context = context;
        _log = context.Loggers.CreateLogger("BlockRepl.Resource");
    }

    /// <summary>The last attachment found a disk in somebody else's hands.</summary>
    public bool FoundBusyDisk { get; private set; }

    /// <summary><c>attach</c>: the volume of this name, or all.</summary>
    public async Task<ControlResult> AttachAsync(string? name)
    {
        foreach (RuntimeVolume volume in _runtime.Volumes)
        {
            if (volume.Disk is not null || (name is not null && name != volume.Configuration.Name))
                continue;
            ControlResult attached = await AttachAsync(volume);
            if (attached.ExitCode == ExitCodes.Failed && volume.Disk is null && !FoundBusyDisk)
                return new ControlResult(ExitCodes.NoLocalDisk, attached.Message, attached.Hint);
            if (attached.ExitCode != ExitCodes.Done)
                return attached;
        }

        return ControlResult.Done;
    }

    /// <summary>Opens one volume's disk and waits until Core has taken it into use.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="isNew">It has just been added: nobody serves it, and nobody ever wrote to it.</param>
    public async Task<ControlResult> AttachAsync(RuntimeVolume volume, bool isNew = false)
    {
        FoundBusyDisk = false;
        ResourceStatus status = _runtime.GetStatus();
        VolumeStatus now = status.Of(volume);
        if (now.DiskState != DiskState.Diskless)
        {
            string call = volume.Leaving.First() is { } late ? $": {late}" : "";
            return ControlResult.Refused(
                $"{volume.Name} is {now.DiskState}: what was under way on its failed disk is not over{call}", "try again; status shows Diskless when it is");
        }

        // After a "down" that did not wait for it: its file is open and locked still.
        if (volume.Leaving.First() is { } hanging)
        {
            return ControlResult.Refused(
                $"{volume.Name}: what was under way on the disk that it had is not over: {hanging}", "let the disk answer, or take away what hangs; then try again");
        }

        if (status.Role == Role.Primary && now.ServedBy is null && !isNew)
        {
            return ControlResult.Refused(
                $"{volume.Name} is Primary here and no peer serves it ({now.NoData ?? "no peer in sync"}): nothing could make its disk current",
                $"connect the peer that has the data; or give the volume up here: blockrepl secondary --force {status.Name}");
        }

        DiskOpener.Opened opened = await OpenAsync(volume);
        if (opened.Disk is null)
        {
            FoundBusyDisk = opened.IsBusy;
            return opened.Refusal!;
        }

        foreach (string warning in opened.Warnings)
        {
            LogDamage(_log, volume.Name, warning);
            volume.MetadataDamage.Add(warning);
        }

        volume.AttachDisk(opened.Disk);
        _runtime.Post(new CoreEvent
        {
            Kind = CoreEventKind.DiskAttached,
            NowMs = ResourceRuntime.NowMs,
            WallMs = ResourceRuntime.WallMs,
            Volume = volume.Configuration.Nr,
            Subject = opened.Attached,
            Number = opened.Disk.Serial,
        });
        return await AwaitAttachedAsync(volume);
    }

    /// <summary><c>detach</c>: the volume of this name, or all. Waits a moment for what is under way on the disks; a call that hangs it does not wait for.</summary>
    public async Task<ControlResult> DetachAsync(string? name, Func<OperatorCommand, Task<ControlResult>> ask)
    {
        RuntimeVolume[] volumes = [.. _runtime.Volumes.Where(volume => name is null || name == volume.Configuration.Name)];
        VolumeDisk?[] disks = [.. volumes.Select(volume => volume.Disk)];
        ControlResult result = await ask(new OperatorCommand(OperatorVerb.Detach) { Volume = name is null ? null : volumes[0].Configuration.Nr });
        if (result.ExitCode != ExitCodes.Done)
            return result;
        foreach (VolumeDisk? disk in disks)
        {
            if (disk is not null)
                await Task.WhenAny(disk.Left, PatienceAsync(Closes));
        }

        return result;
    }

    private async Task<ControlResult> AwaitAttachedAsync(RuntimeVolume volume)
    {
        while (true)
        {
            // Asked for before the state is read, so that no change is missed.
            Task change = _context.Events.NextChangeAsync();
            DiskState state = _runtime.GetStatus().Of(volume).DiskState;
            if (state > DiskState.Negotiating)
                return ControlResult.Done;
            if (state is DiskState.Failed or DiskState.Diskless)
                return ControlResult.Failed($"{volume.Name} could not be attached", "the log says why");
            await change;
        }
    }

    // Opening waits for the disk, too: with a disk-timeout on a thread of its own, and no longer than that.
    private async Task<DiskOpener.Opened> OpenAsync(RuntimeVolume volume)
    {
        ResourceSettings settings = _runtime.Settings;
        var watch = new DiskWatch(volume.Configuration.Disk.For(settings.NodeName));
        DiskWatch? metadataWatch = volume.Configuration.MetaDisk.For(settings.NodeName) is { } path ? new DiskWatch(path) : null;
        if (settings.DiskTimeoutMs == 0)
            return DiskOpener.Open(volume, settings, _context, watch, metadataWatch);
        Task<DiskOpener.Opened> opening = Task.Factory.StartNew(
            () => DiskOpener.Open(volume, settings, _context, watch, metadataWatch),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        if (await Task.WhenAny(opening, PatienceAsync(TimeSpan.FromMilliseconds(settings.DiskTimeoutMs))) == opening)
            return await opening;

        // Whatever comes of it, nobody wants it any more.
        Task over = opening.ContinueWith(late => late.Result.Disk?.Dispose(), TaskScheduler.Default);
        volume.Leaving.Add(watch, over);
        if (metadataWatch is not null)
            volume.Leaving.Add(metadataWatch, over);
        return new DiskOpener.Opened(
            null,
            null,
            [],
            ControlResult.Failed(
                $"{volume.Name}: the disk does not answer: {volume.Leaving.First() ?? watch.Path} (disk-timeout {settings.DiskTimeoutMs} ms)", "let it answer, or configure another; then: blockrepl attach " + volume.Name),
            false);
    }

    private static async Task PatienceAsync(TimeSpan patience)
    {
        using var timer = new PeriodicTimer(patience);
        await timer.WaitForNextTickAsync();
    }

    [LoggerMessage(EventId = 230, Level = LogLevel.Warning, Message = "{Volume}: {Damage}")]
    private static partial void LogDamage(ILogger logger, string volume, string damage);
}
