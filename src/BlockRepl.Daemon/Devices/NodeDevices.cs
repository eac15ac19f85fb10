using System.Runtime.InteropServices;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Daemon.Replication;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// The block devices of a node's volumes: attaches and detaches them, finds those that the last daemon left, and looks after them. Thread-safe. Locks: a resource's command lock may be held by who
/// asks, never the other way round.
/// </summary>
internal sealed class NodeDevices : IVolumeDevices, IDisposable
{
    // Somebody else's nbd-client -d tells nobody.
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(10);

    private const int RetryMs = 1000;

    private readonly NbdServer _nbd;
    private readonly ResourceList _resources;
    private readonly IKernelNbd _kernel;
    private readonly DeviceUsers _users;
    private readonly DeviceRecords _records;
    private readonly DaemonContext _context;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private Task _tending = Task.CompletedTask;
    private volatile VolumeDevice[] _devices = [];
    private TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public NodeDevices(DaemonContext context, NbdServer nbd, ResourceList resources, IKernelNbd kernel, DeviceUsers users)
    {
        _context = context;
        _nbd = nbd;
        _resources = resources;
        _kernel = kernel;
        _users = users;
        _records = new DeviceRecords(context.RunDirectory.Path);
        _log = context.Loggers.CreateLogger("BlockRepl.Device");
    }

    /// <summary>The daemon has begun to stop: devices keep their place in the kernel, and nobody is refused or reconnected.</summary>
    public bool IsStopping => _stop.IsCancellationRequested;

    /// <summary>The attached devices, with their users.</summary>
    public IReadOnlyList<DeviceStatus> GetStatus() => [.. _devices.Select(device => device.GetStatus() with { Users = device.FindUsers() })];

    /// <summary>Finds what the last daemon left. Before any resource is brought up, so that nothing changes unobserved.</summary>
    public void Load()
    {
        Dictionary<string, DeviceRecord> records = _records.Read().ToDictionary(record => record.Volume);
        foreach ((int index, string backend) in _kernel.ListBackends())
        {
            if (!IsOwn(backend, out string volume))
                continue;
            string path = string.Create(null, $"/dev/nbd{index}");
            records.Remove(volume, out DeviceRecord? record);
            if (record is { Via: DeviceVia.Kernel } && record.Device == path && FindVolume(volume, out _) is not null)
            {
                Add(new KernelDevice(record, backend, _kernel, _nbd, _users, _log, Wake));
                DeviceLog.Found(_log, path, volume);
                continue;
            }

            int errno = _kernel.Disconnect(index);
            _records.Delete(volume);
            if (errno == 0)
                DeviceLog.Ended(_log, path, volume, "there is no proof that its data are what its users last saw");
            else
                DeviceLog.NotEnded(_log, path, volume, Marshal.GetPInvokeErrorMessage(errno));
        }

        foreach (DeviceRecord record in records.Values)
        {
            if (record.Via == DeviceVia.Fuse && FuseDevice.Left(record, _users, _log) is { } left && left.Exists())
                Add(left);
            else
                _records.Delete(record.Volume);
        }

        foreach (ManagedResource resource in _resources)
            Guard(resource.Runtime.Settings.Name);
    }

    /// <summary>Begins to look after the devices, and to make resources Primary again whose devices wait.</summary>
    public void Start()
    {
        _tending = Task.Run(() => GuardedAsync(TendAllAsync));
        foreach (string name in _devices.OfType<KernelDevice>().Select(device => device.Resource).Distinct())
        {
            if (_resources.Find(name) is { } resource)
            {
                var resumption = new RoleResumption(resource, _context.Events, _log);
                _ = Task.Run(() => GuardedAsync(() => resumption.RunAsync(() => IsWaiting(name), _stop.Token))); // a promotion that waits for a handler must not hold the stop up
            }
        }
    }

    /// <inheritdoc/>
    public Task<ControlResult> ExecuteAsync(ManagedResource resource, ControlCommand command)
    {
        RuntimeVolume? volume = resource.Runtime.Volumes.FirstOrDefault(candidate => candidate.Configuration.Name == command.Volume);
        if (volume is null)
            return Task.FromResult(ControlResult.Refused($"{command.Resource}/{command.Volume} is not there any more", "see blockrepl status"));
        return command.Verb == ControlVerb.DeviceAttach ? AttachAsync(resource, volume, command.Options) : DetachAsync(volume.Name, command.Options.Force);
    }

    private async Task<ControlResult> AttachAsync(ManagedResource resource, RuntimeVolume volume, ControlOptions options)
    {
        ResourceStatus status = resource.Runtime.GetStatus();
        if (status.Role != Role.Primary)
        {
            return ControlResult.Refused(
                $"{volume.Name} cannot be attached: {status.Name} is Secondary on node {status.Node}", $"promote it first: blockrepl primary {status.Name}");
        }

        await _one.WaitAsync();
        try
        {
            if (IsStopping)
                return ControlResult.Refused($"{volume.Name} cannot be attached: the daemon is stopping", "start it again: blockrepl daemon");
            if (Array.Find(_devices, device => device.Volume == volume.Name) is { } present)
            {
                return options.DevicePath is null || options.DevicePath == present.Path
                    ? ControlResult.Answer(present.Path)
                    : ControlResult.Refused($"{volume.Name} is attached as {present.Path} already", $"detach it first: blockrepl device detach {volume.Name}");
            }

            (VolumeDevice? device, ControlResult? refusal) = options.Via == DeviceVia.Fuse
                ? await FuseDevice.AttachAsync(volume.Name, _context.RunDirectory.NbdSocket, _context.RunDirectory.Path, _users, _log)
                : AttachToKernel(volume.Name, options);
            if (device is null)
                return refusal!;

            // The record comes before anybody can use the device: the path is not told yet.
            _records.Write(device.Record);
            Add(device);
            Guard(device.Resource);
            return ControlResult.Answer(device.Path);
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<ControlResult> DetachAsync(string volume, bool force)
    {
        await _one.WaitAsync();
        try
        {
            return Array.Find(_devices, device => device.Volume == volume) is { } device
                ? await EndAsync(device, force, null) ?? ControlResult.Done
                : ControlResult.Done;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public async Task<ControlResult?> ReleaseAsync(IReadOnlyList<string> volumes, bool force)
    {
        await _one.WaitAsync();
        try
        {
            if (IsStopping)
                return null;
            VolumeDevice[] meant = Array.FindAll(_devices, device => volumes.Contains(device.Volume));
            foreach (VolumeDevice device in meant)
            {
                if (!force && device.RefuseIfUsed($"{device.Resource} stays as it is") is { } used)
                    return used;
            }

            foreach (VolumeDevice device in meant)
            {
                if (await EndAsync(device, force, force ? "its volume is not served here any more" : null) is { } refusal)
                    return refusal;
            }

            return null;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Stops looking after devices and leaves them to the next daemon. Those that cannot outlive this one and are not in use are detached.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        Wake();
        await _tending;
        await _one.WaitAsync();
        try
        {
            foreach (FuseDevice device in _devices.OfType<FuseDevice>())
                await EndAsync(device, force: false, null);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        Wake();
    }

    private (VolumeDevice? Device, ControlResult? Refusal) AttachToKernel(string volume, ControlOptions options)
    {
        int? index = null;
        if (options.DevicePath is { } path)
        {
            index = KernelDevice.IndexOf(path);
            if (index is null)
                return (null, new ControlResult(ExitCodes.Usage, $"\"{path}\" is no NBD device", "write /dev/nbdN, or leave it out"));
        }

        if (_kernel.FindObstacle() is { } obstacle)
            return (null, ControlResult.Refused($"{volume} cannot be attached: {obstacle}", $"use FUSE and a loop device: blockrepl device attach {volume} --via fuse"));
        return KernelDevice.Attach(volume, index, options.Hold ?? ControlOptions.HoldDefault, BackendOf(volume), _kernel, _nbd, _users, _log, Wake);
    }

    private async Task GuardedAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception bug) when (!IsStopping)
        {
            BugGuard.Die(_log, bug);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The daemon is stopping, and what was asked last has gone.
        }
    }

    private async Task TendAllAsync()
    {
        while (!IsStopping)
        {
            Task woken = Volatile.Read(ref _woken).Task;
            if (woken.IsCompleted)
            {
                Volatile.Write(ref _woken, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
                woken = _woken.Task;
            }

            Task change = _context.Events.NextChangeAsync();
            int? again = null;
            await _one.WaitAsync();
            try
            {
                foreach (VolumeDevice device in _devices)
                {
                    if (!IsStopping && await TendAsync(device) is { } ms)
                        again = Math.Min(again ?? ms, ms);
                }
            }
            finally
            {
                _one.Release();
            }

            Task timer = again is { } pause ? Task.Delay(pause) : Task.Delay(LookAgain);
            await (_devices.Length == 0 ? woken : Task.WhenAny(woken, change, timer));
        }
    }

    private async Task<int?> TendAsync(VolumeDevice device)
    {
        RuntimeVolume? volume = FindVolume(device.Volume, out ManagedResource? resource);
        if (volume is null || resource is null)
            return null;
        if (!device.Exists())
        {
            DeviceLog.Gone(_log, device.Path, device.Volume);
            Remove(device);
            return null;
        }

        if (device is KernelDevice && resource.Runtime.DeviceGuard.SpoiledBy is { } spoiled)
        {
            if (await EndAsync(device, force: true, $"its data may have been replaced while it was held: {spoiled}") is { } refusal)
                DeviceLog.NotEnded(_log, device.Path, device.Volume, refusal.Message ?? "");
            return null;
        }

        try
        {
            return device.Tend(volume, resource.Runtime.GetStatus());
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception)
        {
            // It went while it was looked at, or the process has no descriptor left.
            DeviceLog.Trouble(_log, device.Path, device.Volume, e.Message);
            return RetryMs;
        }
    }

    private async Task<ControlResult?> EndAsync(VolumeDevice device, bool force, string? why)
    {
        if (await device.EndAsync(force) is { } refusal)
            return refusal;
        if (why is null)
            DeviceLog.Detached(_log, device.Path, device.Volume);
        else
            DeviceLog.Ended(_log, device.Path, device.Volume, why);
        Remove(device);
        return null;
    }

    private void Add(VolumeDevice device)
    {
        _devices = [.. _devices, device];
        Wake();
    }

    private void Remove(VolumeDevice device)
    {
        _devices = Array.FindAll(_devices, other => other != device);
        _records.Delete(device.Volume);
        Guard(device.Resource);
    }

    private void Guard(string resource) => _resources.Find(resource)?.Runtime.DeviceGuard.Watch(
        _devices.OfType<KernelDevice>().Where(device => device.Resource == resource).Select(device => _records.PathOf(device.Volume)));

    private bool IsWaiting(string resource) => _devices.OfType<KernelDevice>().Any(device => device.Resource == resource)
        && _resources.Find(resource)?.Runtime.DeviceGuard.SpoiledBy is null;

    private void Wake() => Volatile.Read(ref _woken).TrySetResult();

    // Unique to node, volume and daemon on this host: two daemons run side by side by their run directories.
    private string BackendOf(string volume) => $"blockrepl:{_context.Node}:{volume}:{_context.RunDirectory.Path}";

    private bool IsOwn(string backend, out string volume)
    {
        string prefix = $"blockrepl:{_context.Node}:";
        string suffix = $":{_context.RunDirectory.Path}";
        bool isOwn = backend.Length > prefix.Length + suffix.Length
            && backend.StartsWith(prefix, StringComparison.Ordinal) && backend.EndsWith(suffix, StringComparison.Ordinal);
        volume = isOwn ? backend[prefix.Length..^suffix.Length] : "";
        return isOwn && volume.Contains('/', StringComparison.Ordinal);
    }

    private RuntimeVolume? FindVolume(string name, out ManagedResource? resource)
    {
        resource = _resources.Find(name[..name.IndexOf('/', StringComparison.Ordinal)]);
        return resource?.Runtime.Volumes.FirstOrDefault(volume => volume.Name == name);
    }
}
