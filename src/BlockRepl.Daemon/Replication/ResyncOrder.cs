using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// <c>resync-after</c>: a volume's resync stands while the volume that it names is being resynced on this node, whichever resource that belongs to. One that waits itself counts as being
/// resynced, so that a chain goes one after the other. Looks at what is published; a change of turn takes effect a moment later.
/// </summary>
internal sealed partial class ResyncOrder(ResourceList resources, IEventFeed events, ILogger log)
{
    /// <summary>Follows the states of all resources until it is told to stop.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                // Asked for before the states are read, so that no change is missed.
                Task change = events.NextChangeAsync();
                Evaluate();
                await change.WaitAsync(stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
        catch (Exception bug)
        {
            BugGuard.Die(log, bug);
            throw;
        }
    }

    private void Evaluate()
    {
        foreach (ManagedResource resource in resources)
        {
            foreach (RuntimeVolume volume in resource.Runtime.Volumes)
            {
                bool isOthers = volume.Configuration.ResyncAfter is { } after && IsResynced(after);
                if (isOthers == volume.AwaitsTurn)
                    continue;
                volume.AwaitsTurn = isOthers;
                LogTurn(log, volume.Name, isOthers ? $"is resynced after {volume.Configuration.ResyncAfter}" : "its turn to be resynced");
                resource.Runtime.PostWithoutBlocking(new CoreEvent
                {
                    Kind = CoreEventKind.ResyncTurn,
                    NowMs = ResourceRuntime.NowMs,
                    Volume = volume.Configuration.Nr,
                    Number = isOthers ? 1UL : 0,
                });
            }
        }
    }

    private bool IsResynced(string name)
    {
        string[] parts = name.Split('/');
        return resources.Find(parts[0]) is { } resource && resource.Runtime.GetStatus().Connections.Any(connection => connection.Volumes.Any(
            volume => volume.Name == parts[1] && IsResync(volume.ReplicationState)));
    }

    private static bool IsResync(ReplicationState state) => state is ReplicationState.SyncSource or ReplicationState.SyncTarget
                or ReplicationState.PausedSyncS or ReplicationState.PausedSyncT or ReplicationState.WFBitMapS or ReplicationState.WFBitMapT;

    [LoggerMessage(EventId = 223, Level = LogLevel.Information, Message = "{Volume}: {Turn}")]
    private static partial void LogTurn(ILogger logger, string volume, string turn);
}
