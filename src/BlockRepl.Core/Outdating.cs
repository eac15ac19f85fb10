using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// <c>outdate</c>: this node's data is declared older than the peer's, durably, so that it is not promoted (G6). What the <c>fence-peer</c> handler of a Primary says on its peer.
/// </summary>
/// <remarks>
/// What this node has and the peer lacks is not older than anything: a volume on which this node went on, or served a Primary without a disk, is never outdated, and whoever asks hears so. He would take the answer for
/// evidence that he may go on from what he has (G6), which is the older.
/// </remarks>
internal sealed class Outdating(ResourceContext context)
{
    private readonly List<object?> _waiting = [];

    /// <summary>Set by <see cref="ResourceCore"/>: a promotion goes on that has found the data good. Its outcome comes first: whoever fences hears "outdated", or that this node is Primary, never both (G13).</summary>
    public Func<bool> IsPromoting { get; set; } = () => false;

    public void Outdate(object? cookie)
    {
        // Once this node has said its state to the peer it must not change it before the handshake is over (I10). And what it knows of its data already must be durable: whoever
        // hears the answer relies on it (G13).
        _waiting.Add(cookie);
        Settle();
    }

    /// <summary>Carries out what waits for a handshake, for a promotion, or for the disk. Called after every event.</summary>
    public void Settle()
    {
        if (_waiting.Count == 0 || IsPromoting() || IsWrittenStill() || Array.Exists(context.Peers, static peer => peer.Step is HandshakeStep.State or HandshakeStep.Verdict))
            return;

        // One at a time: what the first has begun the next must not be told of before it is durable.
        do
        {
            object? cookie = _waiting[0];
            _waiting.RemoveAt(0);
            Do(cookie);
        }
        while (_waiting.Count > 0 && !IsWrittenStill());
    }

    private static bool IsKeptCurrent(Volume volume) => Array.Exists(volume.Peers, static peer =>
        peer.Peer.IsConnected && peer.State is ReplicationState.Established or ReplicationState.WFBitMapS or ReplicationState.SyncSource or ReplicationState.PausedSyncS or ReplicationState.VerifyS or ReplicationState.VerifyT);

    private PeerVolume? FindAhead()
    {
        foreach (Volume volume in context.Volumes)
        {
            if (Array.Find(volume.Peers, Generations.HasGoneOnWithout) is { } peer)
                return peer;
        }

        return null;
    }

    private bool IsWrittenStill() => context.Role != Role.Primary
        && context.Volumes.Exists(static volume => volume is { HasDisk: true, Disk: <= DiskState.Outdated, MetadataWrites: > 0 });

    private void Do(object? cookie)
    {
        string name = context.Settings.Name;
        if (context.Role == Role.Primary)
        {
            Refuse(cookie, CommandResult.Refused($"{name} is Primary here: its data is in use", $"demote it first: blockrepl secondary {name}"));
            return;
        }

        if (Array.Find(context.Peers, static peer => peer.IsConnected && peer.Role == Role.Primary) is { } primary)
        {
            Refuse(cookie, CommandResult.Refused(
                $"{name} is connected to {primary.Name}, which is Primary: its data is kept current", $"disconnect first: blockrepl disconnect {name}"));
            return;
        }

        if (context.Volumes.Find(static volume => !volume.HasDisk) is { } diskless)
        {
            Refuse(cookie, CommandResult.NoDisk($"{name}/{diskless.Name} has no local disk here ({diskless.Disk})", $"bring it up first: blockrepl up {name}"));
            return;
        }

        if (FindAhead() is { } ahead)
        {
            // The peer's data is the older. Whoever fences this node on its behalf would have it promoted without what was acknowledged here (G6).
            Refuse(cookie, CommandResult.Refused(
                $"{name}/{ahead.Volume.Name} has gone on here without {ahead.Peer.Name}, whose data is the older", $"connect the two, or give this node's changes up: blockrepl primary --force {name} on {ahead.Peer.Name}"));
            return;
        }

        List<Volume> good = [.. context.Volumes.Where(static volume => volume.Disk > DiskState.Outdated)];
        if (good.Count == 0)
        {
            // One worse volume is enough to keep the whole resource from being promoted.
            context.CompleteCommand(cookie, context.Volumes.Find(static volume => volume.Disk < DiskState.Outdated) is { } worse
                ? CommandResult.NoUpToDateData($"{name}/{worse.Name} is {worse.Disk} here, which is worse than Outdated", "nothing needs to be done: it is not promoted without --force")
                : CommandResult.Ok);
            return;
        }

        if (good.Find(IsKeptCurrent) is not null)
        {
            // DRBD's SS_CONNECTED_OUTDATES. Nothing would make it current again while the connection lasts: a Primary would mirror to it for ever without being able to rely on it.
            Refuse(cookie, CommandResult.Refused($"{name} is connected to its peer and in sync with it: its data is kept current", $"disconnect first: blockrepl disconnect {name}"));
            return;
        }

        Mark(good, isFailure => context.CompleteCommand(
            cookie, isFailure ? CommandResult.Failed($"{name}: the metadata could not be written", "see the log") : CommandResult.Ok));
    }

    /// <summary>Makes volumes Outdated; <paramref name="ended"/> is called once, when that is durable on all of them or has failed (true).</summary>
    public void Mark(List<Volume> volumes, Action<bool> ended)
    {
        int pending = volumes.Count;
        bool failed = false;
        void Ended(bool isFailure)
        {
            failed |= isFailure;
            if (--pending == 0)
                ended(failed);
        }

        foreach (Volume volume in volumes)
        {
            volume.Disk = DiskState.Outdated;
            volume.Superblock = volume.Superblock! with { Flags = Generations.FlagsFor(Canary.OutdatedNotDurable ? DiskState.UpToDate : DiskState.Outdated, volume.Superblock.Flags) };
            context.WriteMetadata(volume, new MetadataWrite
            {
                Volume = volume.Nr,
                Superblock = volume.Superblock,
                OnDurable = () => Ended(false),
                OnFailed = () => Ended(true),
            });
        }

        context.StateChanged = true;
        context.Log($"{context.Settings.Name}: outdated");
    }

    private void Refuse(object? cookie, CommandResult refusal) => context.CompleteCommand(cookie, refusal);
}
