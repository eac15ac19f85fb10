using BlockRepl.Format;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// <c>pause-sync</c> and <c>resume-sync</c>. Each node has a pause of its own for each volume, which outlives connections and the daemon (metadata of format version 1 have no room for it: there it ends
/// with the daemon); a resync runs while neither has one. Changes are mirrored during a pause as ever, so nothing that is written then has to be resynced.
/// Beside it a volume may wait for its turn behind another one (<c>resync-after</c>), which the edge knows about and the peer takes for a pause.
/// </summary>
internal sealed class ResyncPauses(ResourceContext context)
{
    /// <summary>Pauses or resumes the resyncs of a volume, or of all.</summary>
    public void Set(OperatorCommand command, bool paused, object? cookie)
    {
        foreach (Volume volume in context.Volumes)
        {
            foreach (PeerVolume at in volume.Peers)
            {
                bool isMeant = command.Volume is null || command.Volume == volume.Nr;
                bool isDeaf = paused && at.Target is not null && at.Peer.Version < ProtocolVersion.V2;
                if (!isMeant || !isDeaf)
                    continue;
                context.CompleteCommand(cookie, CommandResult.Refused(
                    $"{at.Peer.Name} speaks protocol version {(uint)at.Peer.Version}: as the source of a resync it does not hear of a pause here",
                    $"say it there: blockrepl pause-sync {context.Settings.Name}"));
                return;
            }
        }

        var batch = new CommandBatch(context, cookie);
        foreach (Volume volume in context.Volumes)
        {
            if (command.Volume is { } nr && nr != volume.Nr)
                continue;
            foreach (PeerVolume at in volume.Peers)
            {
                context.StateChanged |= at.IsPausedHere != paused;
                at.IsPausedHere = paused;
                at.Peer.ProgressMs = context.NowMs;
                Remember(at, paused, batch);
            }
        }

        batch.CompleteIfDone();
    }

    /// <summary>It is, or is not, the turn of another volume that this one is resynced after.</summary>
    public void SetTurn(Volume volume, bool isOthers)
    {
        foreach (PeerVolume at in volume.Peers)
        {
            context.StateChanged |= at.AwaitsTurn != isOthers;
            at.AwaitsTurn = isOthers;
            at.Peer.ProgressMs = context.NowMs;
        }
    }

    private void Remember(PeerVolume at, bool paused, CommandBatch batch)
    {
        Volume volume = at.Volume;
        if (!volume.HasDisk || volume.Superblock is not { Version: >= 2 } superblock)
            return;
        PeerSlot slot = superblock.Peers[at.Slot];
        PeerSlotFlags flags = paused ? slot.Flags | PeerSlotFlags.SyncPaused : slot.Flags & ~PeerSlotFlags.SyncPaused;
        if (flags == slot.Flags)
            return;
        volume.Superblock = superblock.WithPeer(at.Slot, slot with { Flags = flags });

        // A generation that waits for its flush takes it along, and must not become durable before that.
        if (volume.GenerationAwaitsFlush)
            return;
        batch.Begin();
        context.WriteMetadata(volume, new MetadataWrite
        {
            Volume = volume.Nr,
            Superblock = volume.Superblock,
            OnDurable = () => batch.End(CommandResult.Ok),
            OnFailed = () => batch.End(CommandResult.Failed($"{context.Settings.Name}/{volume.Name}: the metadata could not be written", "see the log")),
        });
    }

    /// <summary>What the peer says of its own pauses.</summary>
    public void PeerSays(PeerVolume at, ResyncStatus? status)
    {
        bool paused = status is { Paused: true };
        context.StateChanged |= at.IsPausedThere != paused;
        at.IsPausedThere = paused;
        at.PeerResync = status;
    }
}
