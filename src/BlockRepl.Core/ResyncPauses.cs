using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// <c>pause-sync</c> and <c>resume-sync</c>. Each node has a pause of its own for each volume, which outlives connections, not the daemon; a resync runs while neither has one. Changes are
/// mirrored during a pause as ever, so nothing that is written then has to be resynced.
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

        foreach (Volume volume in context.Volumes)
        {
            if (command.Volume is { } nr && nr != volume.Nr)
                continue;
            foreach (PeerVolume at in volume.Peers)
            {
                context.StateChanged |= at.IsPausedHere != paused;
                at.IsPausedHere = paused;
                at.Peer.ProgressMs = context.NowMs;
            }
        }

        context.CompleteCommand(cookie, CommandResult.Ok);
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
