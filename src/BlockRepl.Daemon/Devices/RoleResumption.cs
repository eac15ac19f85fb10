using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// Makes a resource Primary again whose kernel devices were in use when the last daemon ended: they cannot wait for a person. It asks as <c>primary</c> without <c>--force</c> does, and only once
/// every peer has been heard, or has had time to be: a peer that went on meanwhile must be able to say so (docs/decisions/0101). A split brain is left to a person.
/// </summary>
internal sealed class RoleResumption(ManagedResource resource, IEventFeed feed, ILogger log)
{
    // Beyond the longest pause between two dials (connect-int).
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    // A refused promotion may have run a handler; it is not asked again more often.
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(5);

    /// <summary>Runs until the resource is Primary, or <paramref name="isWanted"/> says that no device waits any more.</summary>
    public async Task RunAsync(Func<bool> isWanted, CancellationToken stop)
    {
        string name = resource.Runtime.Settings.Name;
        long patienceEnds = Environment.TickCount64 + (long)(resource.Runtime.Configuration.Network.ConnectInterval + Grace).TotalMilliseconds;
        long nextTry = 0;
        string? logged = null;
        while (!stop.IsCancellationRequested && isWanted())
        {
            Task change = feed.NextChangeAsync();
            ResourceStatus status = resource.Runtime.GetStatus();
            if (status.Role == Role.Primary)
                return;
            long now = Environment.TickCount64;
            long wait = 1000;
            if (IsSplit(status))
            {
                Report("there is a split brain", status.Hint ?? "resolve it");
            }
            else if (!IsEveryPeerHeard(status) && now < patienceEnds)
            {
                wait = patienceEnds - now;
            }
            else if (now < nextTry)
            {
                wait = nextTry - now;
            }
            else
            {
                DeviceLog.Resuming(log, name);
                ControlResult result = await resource.ExecuteAsync(new ControlCommand(ControlVerb.Primary, name, null, ControlOptions.None));
                if (result.ExitCode == ExitCodes.Done)
                    return;
                Report(result.Message ?? "", result.Hint ?? "");
                nextTry = Environment.TickCount64 + (long)RetryPause.TotalMilliseconds;
                wait = (long)RetryPause.TotalMilliseconds;
            }

            await Task.WhenAny(change, Task.Delay(TimeSpan.FromMilliseconds(wait), stop));
        }

        void Report(string why, string hint)
        {
            if (logged != why)
                DeviceLog.NotResumed(log, name, why, hint);
            logged = why;
        }
    }

    private static bool IsEveryPeerHeard(ResourceStatus status) => status.Connections.All(connection =>
        connection.ConnectionState == ConnectionState.Connected
        && connection.Volumes.All(volume => volume.ReplicationState != ReplicationState.Off || volume.Note is not null));

    private static bool IsSplit(ResourceStatus status) => status.Connections.Any(connection =>
        connection.Volumes.Any(volume => volume.SplitBrain is not null)
        || connection.Detail?.Contains("split brain", StringComparison.Ordinal) == true);
}
