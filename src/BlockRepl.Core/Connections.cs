using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Connections come, go, fall silent and are refused.</summary>
internal sealed class Connections(
    ResourceContext context, WritePath writes, SecondaryPath secondary, Handshake handshake, Generations generations)
{
    // A sign of life goes out when nothing else did for this long: several per time-out.
    private const long AliveIntervalMs = 1_000;

    /// <summary>The generations of the resource's volumes.</summary>
    public Generations Generations => generations;

    /// <summary>Random number of this daemon's life, said in each Hello.</summary>
    public ulong Incarnation { get; } = context.Chance.NextUInt64();

    /// <summary>Set by <see cref="ResourceCore"/>: a link, however far its handshake came, is about to be taken apart; nothing that hung on it has been let go yet.</summary>
    public Action<Peer> OnDisconnecting { get; set; } = _ => { };

    /// <summary>Set by <see cref="ResourceCore"/>: the peer is gone; whoever waits for its answer must know.</summary>
    public Action<Peer> OnLost { get; set; } = _ => { };

    /// <summary>An operator wants the connection.</summary>
    public void Connect(Peer peer, bool discardMyData)
    {
        peer.DiscardMyData = discardMyData;
        peer.RefusedInRow = 0;
        if (peer.IsWanted && !discardMyData)
            return;
        if (peer.Link != LinkId.None)
            Lose(peer, ConnectionState.TearDown, "reconnecting", GoodbyeReason.Renegotiate);
        peer.IsWanted = true;
        peer.Detail = "";
        if (peer.State == ConnectionState.StandAlone)
            ConnectionStates.Enter(context, peer, ConnectionState.Unconnected);
        GoConnecting(peer);
    }

    /// <summary>An operator does not want the connection any more.</summary>
    public void Disconnect(Peer peer, GoodbyeReason reason, string detail)
    {
        if (!peer.IsWanted && peer.State == ConnectionState.StandAlone)
            return;
        peer.IsWanted = false;
        if (peer.Link != LinkId.None)
            context.Send(peer, new GoodbyeMessage(reason, detail));
        ConnectionStates.Enter(context, peer, ConnectionState.Disconnecting);
        Drop(peer);
        peer.Detail = detail;
        context.Effects.Add(EffectKind.StopConnecting).Peer = peer.Id;
        ConnectionStates.Enter(context, peer, ConnectionState.StandAlone);
    }

    /// <summary>A stream to the peer is established.</summary>
    public void LinkUp(Peer peer, LinkId link)
    {
        if (!peer.IsWanted)
        {
            TellSplitBrain(peer, link);
            Close(peer, link);
            return;
        }

        // The dialler knows that its old stream is dead; this side may not have noticed yet.
        if (peer.Link != LinkId.None)
            Lose(peer, ConnectionState.BrokenPipe, "the peer connected anew", null, isReplaced: true);
        peer.Link = link;
        peer.StateSinceMs = context.NowMs;
        peer.LastReceivedMs = context.NowMs;
        peer.LastSentMs = context.NowMs;
        handshake.Start(peer, Incarnation);
    }

    /// <summary>A stream ended.</summary>
    public void LinkDown(Peer peer, LinkId link, ConnectionState reason, string detail)
    {
        if (peer.Link == link && link != LinkId.None)
            Lose(peer, reason, detail, null);
    }

    /// <summary>The peer takes its leave.</summary>
    public void Goodbye(Peer peer, GoodbyeMessage message)
    {
        string said = $"{peer.Name} said: {(message.Detail.Length > 0 ? message.Detail : message.Reason.ToString())}";
        switch (message.Reason)
        {
            case GoodbyeReason.SplitBrain or GoodbyeReason.Unrelated:
            case GoodbyeReason.RoleConflict when context.Settings.RoleConflict != RoleConflictPolicy.RetryConnect:
                StandAlone(peer, said);
                break;
            default:
                if (RedialPause.IsLasting(message.Reason))
                    peer.RefusedInRow++;
                peer.IsExpectedBack = message.Reason == GoodbyeReason.Renegotiate;
                Lose(peer, ConnectionState.TearDown, said, null);
                break;
        }
    }

    /// <summary>A handshake was refused, or the peer broke the protocol.</summary>
    public void Refuse(Peer peer, GoodbyeReason reason, string why)
    {
        context.Log($"{context.Settings.Name}@{peer.Name}: {why}");
        bool isUnknownThere = reason == GoodbyeReason.RoleConflict && peer.Version < ProtocolVersion.V2;
        context.Send(peer, new GoodbyeMessage(isUnknownThere ? GoodbyeReason.Refused : reason, why));
        if (RedialPause.IsLasting(reason))
            peer.RefusedInRow++;
        if (reason is GoodbyeReason.SplitBrain or GoodbyeReason.Unrelated
            || reason == GoodbyeReason.RoleConflict && context.Settings.RoleConflict != RoleConflictPolicy.RetryConnect)
        {
            StandAlone(peer, why);
        }
        else
            Lose(peer, reason == GoodbyeReason.Protocol ? ConnectionState.ProtocolError : ConnectionState.TearDown, why, null);
    }

    /// <summary>Ends the present link and tries again at once: the facts have changed.</summary>
    public void Renegotiate(Peer peer, string why)
    {
        if (peer.Link != LinkId.None)
            Lose(peer, ConnectionState.TearDown, why, GoodbyeReason.Renegotiate);
    }

    /// <summary>Time passes: says that this node lives, and cuts off a peer that does not, or that makes no progress (G12).</summary>
    public void Tick(Peer peer)
    {
        if (peer.Link == LinkId.None)
            return;
        long now = context.NowMs;
        if (peer.Step != HandshakeStep.Done)
        {
            // A Primary whose clients are held up meanwhile gives up sooner.
            long patience = context.Role == Role.Primary && peer.Step > HandshakeStep.Draining
                ? Math.Min(context.Settings.TimeoutMs, context.Settings.ConnectIntervalMs)
                : context.Settings.ConnectIntervalMs;
            if (now - peer.StateSinceMs > patience)
                Lose(peer, ConnectionState.Timeout, $"the handshake did not finish within {patience} ms", null);
            else if (now - peer.LastSentMs >= AliveIntervalMs)
                context.Send(peer, new AliveMessage(peer.AppliedHere));
            return;
        }

        bool owes = peer.AwaitingAck.Count > 0;
        foreach (Volume volume in context.Volumes)
            owes |= volume.Peers[peer.Id.Value].AwaitingStable.Count > 0 || volume.Peers[peer.Id.Value].Source is { OwesAnswer: true };
        owes |= peer.ReadsAsked > 0;
        long silent = now - peer.LastReceivedMs;
        long silentMax = owes ? context.Settings.TimeoutMs : context.Settings.PingIntervalMs + context.Settings.PingTimeoutMs;
        long stuckMax = context.Settings.KoCount * context.Settings.TimeoutMs;
        if (silent > silentMax)
            Lose(peer, ConnectionState.Timeout, $"nothing was heard for {silent} ms", null);
        else if (owes && stuckMax > 0 && now - peer.ProgressMs > stuckMax)
            Lose(peer, ConnectionState.Timeout, $"alive, but finished nothing for {now - peer.ProgressMs} ms (ko-count {context.Settings.KoCount})", null);
        else if (now - peer.LastSentMs >= AliveIntervalMs)
            context.Send(peer, new AliveMessage(peer.AppliedHere));
    }

    // The peer may have lost the connection before it could find the split brain by itself, and would dial for ever without knowing why nobody answers (G7). No
    // reason for it to give up: the next thing that an operator does may be to resolve the split brain here.
    private void TellSplitBrain(Peer peer, LinkId link)
    {
        if (context.Volumes.Find(volume => volume.Peers[peer.Id.Value].Divergence is not null) is not { } split)
            return;
        string extent = split.Peers[peer.Id.Value].Divergence!.Describe(context.Settings.NodeName, peer.Name);
        ref Effect effect = ref context.Effects.Add(EffectKind.SendMessage);
        effect.Peer = peer.Id;
        effect.Link = link;
        effect.Subject = new GoodbyeMessage(
            GoodbyeReason.Unspecified, $"StandAlone after a split brain on {split.Name}; {extent}");
    }

    private void StandAlone(Peer peer, string why)
    {
        peer.IsWanted = false;
        ConnectionStates.Enter(context, peer, ConnectionState.Disconnecting);
        Drop(peer);
        peer.Detail = why;
        context.Effects.Add(EffectKind.StopConnecting).Peer = peer.Id;
        ConnectionStates.Enter(context, peer, ConnectionState.StandAlone);
    }

    // A link that is replaced must not be dialled for once more: two nodes would replace each other's links for ever.
    private void Lose(Peer peer, ConnectionState reason, string detail, GoodbyeReason? goodbye, bool isReplaced = false)
    {
        if (goodbye is { } word)
            context.Send(peer, new GoodbyeMessage(word, detail));
        peer.IsExpectedBack |= isReplaced || goodbye == GoodbyeReason.Renegotiate;
        if (peer.State is ConnectionState.Connecting or ConnectionState.Connected)
            ConnectionStates.Enter(context, peer, reason);
        context.Log($"{context.Settings.Name}@{peer.Name}: connection lost: {reason}: {detail}");
        Drop(peer);
        peer.Detail = detail;
        ConnectionStates.Enter(context, peer, ConnectionState.Unconnected);
        if (isReplaced)
            ConnectionStates.Enter(context, peer, ConnectionState.Connecting);
        else
            GoConnecting(peer);
    }

    private void GoConnecting(Peer peer)
    {
        ConnectionStates.Enter(context, peer, ConnectionState.Connecting);
        context.Effects.Add(EffectKind.StartConnecting).Peer = peer.Id;
    }

    /// <summary>
    /// Everything that hung on the link ends in one event: mirrored becomes marked (I2), resyncs stop, answers that waited for the peer go on or wait for a
    /// generation of this node's own (hard part 3).
    /// </summary>
    private void Drop(Peer peer)
    {
        bool wasConnected = peer.Step == HandshakeStep.Done;
        LinkId link = peer.Link;
        if (link != LinkId.None)
            OnDisconnecting(peer);
        peer.IsExpectedBack = false;
        peer.Link = LinkId.None;
        peer.Step = HandshakeStep.None;
        peer.Role = Role.Unknown;
        peer.PeerState = null;
        peer.PeerVerdict = null;
        peer.StatusSent = null;
        peer.Sent.Clear();
        peer.ReadsAsked = peer.ReadsServed = 0;
        peer.ReadBytesAsked = peer.ReadBytesServed = 0;
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume peerVolume = volume.Peers[peer.Id.Value];
            peerVolume.Source = null;
            peerVolume.Target = null;
            peerVolume.Saving = null;
            peerVolume.DeferredBegin = null;
            if (wasConnected)
                peerVolume.LostAsPrimary = context.Role == Role.Primary;
            peerVolume.IsServing = peerVolume.GetsChangesAlone = false;
            writes.StopReplicating(peerVolume);
            peerVolume.State = ReplicationState.Off;
            peerVolume.PeerDisk = DiskState.DUnknown;
            peerVolume.IsMatched = peerVolume.WasCompared = false;
            peerVolume.IsPausedThere = false;
            peerVolume.PeerResync = null;
            DoubtOwnData(volume, peerVolume);
        }

        secondary.Forget(peer);
        if (link != LinkId.None)
            Close(peer, link);
        writes.Thaw(FreezeReason.Handshake);
        OnLost(peer);
        context.StateChanged = true;
    }

    // A Secondary cannot know whether the Primary goes on without it (G6); with fencing dont-care an operator has chosen not to ask.
    private void DoubtOwnData(Volume volume, PeerVolume peerVolume)
    {
        if (FenceEvidence.IsOutdated(peerVolume) || context.Settings.Fencing == FencingPolicy.DontCare || context.Role == Role.Primary || volume.Disk != DiskState.UpToDate)
            return;
        volume.Disk = DiskState.Consistent;
        generations.Persist(volume, volume.Superblock! with { Flags = Generations.FlagsFor(DiskState.Consistent, volume.Superblock!.Flags) }, null);
    }

    private void Close(Peer peer, LinkId link)
    {
        ref Effect effect = ref context.Effects.Add(EffectKind.CloseLink);
        effect.Peer = peer.Id;
        effect.Link = link;
    }
}
