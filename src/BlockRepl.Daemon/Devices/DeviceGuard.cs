using System.Collections.Immutable;
using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Replication;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// Watches over a resource whose kernel devices outlive their daemon. A mounted file system remembers what it last read and wrote; if the peer's data replace that
/// while I/O is held, resuming it would mix two histories without anybody noticing. So as soon as a Secondary's data may change, the proof that its
/// devices may be resumed is destroyed, before the change itself is carried out, and the devices are ended instead (docs/decisions/0101).
/// </summary>
/// <remarks><see cref="Check"/> runs under the resource's gate, so that what it decides comes before the next frame of the peer. Deleting a small file in the run
/// directory, once, is the one piece of I/O that is done there.</remarks>
internal sealed class DeviceGuard(ILogger log)
{
    private volatile string[] _proofs = [];
    private volatile string? _spoiledBy;

    /// <summary>Why the devices may not be resumed, in words; null while they may.</summary>
    public string? SpoiledBy => _spoiledBy;

    /// <summary>Begins to watch, or watches other devices: the records that are proofs. Forgets what spoiled earlier ones if there are none left.</summary>
    public void Watch(IEnumerable<string> proofs)
    {
        _proofs = [.. proofs];
        if (_proofs.Length == 0)
            _spoiledBy = null;
    }

    /// <summary>Looks at a state that has just come about. Under the gate.</summary>
    public void Check(ResourceStatusReader state, ImmutableArray<string> peers, IReadOnlyList<RuntimeVolume> volumes)
    {
        if (_proofs.Length == 0 || _spoiledBy is not null || state.Role == Role.Primary)
            return;
        for (int i = 0; i < peers.Length; i++)
        {
            var peer = new PeerId(i);
            if (state.PeerRole(peer) == Role.Primary)
                Spoil($"{peers[i]} is Primary");
            foreach (RuntimeVolume volume in volumes)
            {
                if (IsTarget(state.ReplicationState(volume.Configuration.Nr, peer)))
                    Spoil($"{peers[i]} has newer data");
            }
        }

        foreach (RuntimeVolume volume in volumes)
        {
            if (state.DiskState(volume.Configuration.Nr) == DiskState.Inconsistent)
                Spoil("the disk here is Inconsistent");
        }
    }

    /// <summary>The devices may not be resumed.</summary>
    public void Spoil(string why)
    {
        if (_spoiledBy is not null)
            return;
        try
        {
            foreach (string proof in _proofs)
                File.Delete(proof);
        }
        catch (DirectoryNotFoundException)
        {
            // Then there is no proof.
        }
        catch (Exception e)
        {
            // What follows would change data under a proof that they have not changed. A daemon that ends here leaves them as they are.
            BugGuard.Die(log, e);
            throw;
        }

        _spoiledBy = why;
    }

    private static bool IsTarget(ReplicationState state) =>
        state is ReplicationState.WFBitMapT or ReplicationState.SyncTarget or ReplicationState.PausedSyncT or ReplicationState.Behind;
}
