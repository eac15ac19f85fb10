using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>Which part of Core carries out which command of an operator's, and which commands exclude each other.</summary>
internal sealed class OperatorCommands(
    ResourceContext context,
    RoleChanges roles,
    Shutdown shutdown,
    Connections connections,
    SkipInitialSync skipInitialSync,
    ResyncRequests resyncRequests,
    ResyncPauses resyncPauses,
    Outdating outdating,
    IoSuspension suspension,
    Verification verification,
    Resizing resizing,
    Detaching detaching,
    VolumeRemoval removal)
{
    /// <summary>Begins a command; its answer comes with <see cref="EffectKind.CompleteCommand"/>.</summary>
    public void Carry(OperatorCommand command, object? cookie)
    {
        switch (command.Verb)
        {
            case OperatorVerb.Primary when shutdown.IsBusy:
                context.CompleteCommand(cookie, CommandResult.Refused(
                    $"{context.Settings.Name} is being disconnected or taken down", "try again when it is over"));
                break;
            case OperatorVerb.Down when roles.IsBusy:
                context.CompleteCommand(cookie, CommandResult.Refused(
                    $"a role change of {context.Settings.Name} is under way", "try again when it is over"));
                break;
            case OperatorVerb.Primary:
                roles.Promote(cookie, command.Force);
                break;
            case OperatorVerb.Secondary:
                roles.Demote(cookie);
                break;
            case OperatorVerb.Connect:
                foreach (Peer peer in context.Peers)
                {
                    if (command.Peer is null || command.Peer == peer.Id)
                        connections.Connect(peer, command.DiscardMyData);
                }

                context.CompleteCommand(cookie, CommandResult.Ok);
                break;
            case OperatorVerb.Disconnect:
                shutdown.Disconnect(cookie);
                break;
            case OperatorVerb.Down:
                shutdown.Down(cookie);
                break;
            case OperatorVerb.Outdate:
                outdating.Outdate(cookie);
                break;
            case OperatorVerb.SuspendIo:
                suspension.Suspend(cookie);
                break;
            case OperatorVerb.ResumeIo:
                suspension.Resume(cookie);
                break;
            case OperatorVerb.Detach:
                detaching.Start(command.Volume, roles.IsBusy || shutdown.IsBusy, cookie);
                break;
            case OperatorVerb.SkipInitialSync:
                skipInitialSync.Start(cookie);
                break;
            case OperatorVerb.RemoveVolume when roles.IsBusy || shutdown.IsBusy || resizing.IsBusy:
                context.CompleteCommand(cookie, CommandResult.Refused(
                    $"a role change, a disconnect or a resize of {context.Settings.Name} is under way", "try again when it is over"));
                break;
            case OperatorVerb.RemoveVolume:
                removal.Start(command.Volume!.Value, cookie);
                break;
            case OperatorVerb.Resize when roles.IsBusy || shutdown.IsBusy:
                context.CompleteCommand(cookie, CommandResult.Refused(
                    $"a role change or a disconnect of {context.Settings.Name} is under way", "try again when it is over"));
                break;
            case OperatorVerb.Resize:
                resizing.Start(command, cookie);
                break;
            case OperatorVerb.Verify:
                verification.Start(cookie, command.Volume, command.Verify);
                break;
            case OperatorVerb.Reconnect:
                foreach (Peer peer in context.Peers)
                {
                    if (command.Peer is null || command.Peer == peer.Id)
                        connections.Renegotiate(peer, "the configuration was changed");
                }

                context.CompleteCommand(cookie, CommandResult.Ok);
                break;
            case OperatorVerb.Invalidate or OperatorVerb.InvalidateRemote:
                resyncRequests.Invalidate(command, cookie, isBusy: shutdown.IsBusy || roles.IsBusy);
                break;
            case OperatorVerb.PauseSync or OperatorVerb.ResumeSync:
                resyncPauses.Set(command, command.Verb == OperatorVerb.PauseSync, cookie);
                break;
            default:
                throw Check.Unreachable("operator verb");
        }
    }
}
