using BlockRepl.Daemon.Devices;

namespace BlockRepl.Daemon.Control;

/// <summary>
/// What the control service controls: the resources of this node. Members are called from any thread and at the same
/// time. A state change must be published to the <see cref="EventHub"/>: events and the wait verbs see nothing else.
/// </summary>
public interface IControlTarget
{
    /// <summary>
    /// Opens the NBD and peer listeners and, unless told otherwise, brings up every resource that has metadata. Throws
    /// <see cref="DaemonStartException"/> for what ends the daemon; a resource that cannot come up does not.
    /// </summary>
    ValueTask StartAsync(CancellationToken cancellationToken);

    /// <summary>Every configured resource as it is now. Must not block on I/O.</summary>
    IReadOnlyList<ResourceStatus> GetStatus();

    /// <summary>The block devices that volumes are attached as on this host.</summary>
    IReadOnlyList<DeviceStatus> GetDevices() => [];

    /// <summary>
    /// What makes no progress although nothing outside the daemon holds it up, in words; null if nothing does. Takes each resource's gate: where one is never let go this does not return, which tells
    /// the watchdog the same.
    /// </summary>
    string? Stuck();

    /// <summary>
    /// Carries a command out and answers when it has taken effect. Refusals are results, not exceptions. The token ends
    /// when the caller hangs up; a change that has begun is finished all the same.
    /// </summary>
    ValueTask<ControlResult> ExecuteAsync(ControlCommand command, CancellationToken cancellationToken);

    /// <summary>
    /// Stops accepting, drains, flushes, closes; after it nothing of this node runs. <paramref name="deadline"/> says when to
    /// stop being patient: then it gives up on what is left and logs what that was.
    /// </summary>
    ValueTask StopAsync(CancellationToken deadline);
}
