using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;

namespace BlockRepl.Daemon.Devices;

/// <summary>A block device of this host that a volume is attached as. Owned by <see cref="NodeDevices"/>, which calls it one call at a time; <see cref="GetStatus"/> may be called from anywhere.</summary>
internal abstract class VolumeDevice(DeviceRecord record, DeviceUsers users)
{
    private readonly Lock _stateLock = new();
    private DeviceState _state = DeviceState.Held;
    private string? _detail;
    private long _sinceMs = Environment.TickCount64;

    /// <summary>What the next daemon is told.</summary>
    public DeviceRecord Record => record;

    /// <summary>RESOURCE/VOLUME.</summary>
    public string Volume => record.Volume;

    /// <summary>RESOURCE.</summary>
    public string Resource => record.Volume[..record.Volume.IndexOf('/', StringComparison.Ordinal)];

    /// <summary>Its path.</summary>
    public string Path => record.Device;

    /// <summary>What it does with I/O.</summary>
    public DeviceState State
    {
        get
        {
            lock (_stateLock)
                return _state;
        }
    }

    /// <summary>Who uses it.</summary>
    public IReadOnlyList<string> FindUsers() => users.Find(Path);

    /// <summary>A refusal that names who uses it; null if nobody does.</summary>
    public ControlResult? RefuseIfUsed(string what)
    {
        IReadOnlyList<string> found = FindUsers();
        return found.Count == 0 ? null : RefuseFor(what, DeviceUsers.Describe(found));
    }

    /// <summary>The state, for <c>device list</c>.</summary>
    public DeviceStatus GetStatus()
    {
        lock (_stateLock)
        {
            return new DeviceStatus
            {
                Volume = Volume,
                Device = Path,
                Via = record.Via,
                State = _state,
                SinceSeconds = (Environment.TickCount64 - _sinceMs) / 1000,
                Detail = _state == DeviceState.Connected ? null : _detail,
                HoldSeconds = (long)record.Hold.TotalSeconds,
            };
        }
    }

    /// <summary>Detaches it. Null when it is gone, else a refusal and it is as before. With <paramref name="force"/> also while it is in use: its I/O fails.</summary>
    public abstract Task<ControlResult?> EndAsync(bool force);

    /// <summary>Looks after it: makes good what has changed since the last call. Answers after how many milliseconds it wants to be looked after again; null: not before something happens.</summary>
    public abstract int? Tend(RuntimeVolume volume, ResourceStatus status);

    /// <summary>False once it is not there any more, because somebody else has detached it.</summary>
    public abstract bool Exists();

    protected ControlResult RefuseFor(string what, string user) => ControlResult.Refused(
        $"{what}: {Path} of {Volume} is {user}", "end that use first (umount, swapoff, close), or end its I/O with errors: --force");

    protected void SetState(DeviceState state, string? detail)
    {
        lock (_stateLock)
        {
            if (_state != state)
                _sinceMs = Environment.TickCount64;
            _state = state;
            _detail = detail;
        }
    }
}
