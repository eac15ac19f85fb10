using System.Collections.Immutable;
using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// From a fresh link to Connected: who are you, what do you have, what follows from it. Both nodes run the same steps and reach mirrored verdicts
/// from the same facts (hard parts 18 and 19, I10).
/// </summary>
internal sealed class Handshake(ResourceContext context, WritePath writes, ResyncSource source, ResyncTarget target, Handlers handlers)
{
    // How long a Primary lets the peer say its state first.
    private const long SecondaryFirstMs = 1_000;

    private readonly HandshakeComparison _comparison = new(context);

    /// <summary>Set by <see cref="ResourceCore"/>: the peer serves more of a volume, and this node's disk has room for it.</summary>
    public Action<Volume, long> OnLargerPeer
    {
        set => _comparison.OnLargerPeer = value;
    }
    private readonly DivergenceReports _reports = new(context, handlers);

    /// <summary>What the target of a split brain's resolution saves first.</summary>
    public SplitBrainSave Saves { get; } = new(context, target);

    /// <summary>Set by <see cref="ResourceCore"/>: the handshake ends with this refusal; the text is for both sides' operators.</summary>
    public Action<Peer, GoodbyeReason, string> OnRefused
    {
        get;
        set => field = Saves.OnRefused = value;
    } = (_, _, _) => { };

    /// <summary>
    /// Set by <see cref="ResourceCore"/>: called before this node says its verdict; from then on the peer may become UpToDate without this node knowing it. False if the verdict must wait: the
    /// action is then called when it may be said.
    /// </summary>
    public Func<Peer, Action, bool> BeforeVerdict { get; set; } = (_, _) => true;

    /// <summary>Set by <see cref="ResourceCore"/>: this node's role is about to change, so its state is not worth saying yet (hard part 20).</summary>
    public Func<bool> IsRoleChanging { get; set; } = () => false;

    /// <summary>Set by <see cref="ResourceCore"/>: both verdicts agree; before the clients' changes go on.</summary>
    public Action<Peer> OnConnected { get; set; } = _ => { };

    /// <summary>A link is up: says who this node is.</summary>
    public void Start(Peer peer, ulong incarnation)
    {
        peer.Step = HandshakeStep.Hello;
        peer.PeerState = null;
        peer.PeerVerdict = null;
        context.Send(peer, new HelloMessage(
            (uint)ProtocolVersion.Oldest, (uint)context.Settings.NewestProtocol, ProtocolFeatures.None,
            context.Settings.NodeName, peer.Name, context.Settings.Name, incarnation));
    }

    /// <summary>The peer said who it is.</summary>
    public void Hello(Peer peer, HelloMessage hello)
    {
        if (peer.Step != HandshakeStep.Hello)
        {
            OnRefused(peer, GoodbyeReason.Protocol, "a second Hello");
            return;
        }

        string? wrong = null;
        if (hello.Node != peer.Name || hello.Peer != context.Settings.NodeName)
            wrong = $"this is {context.Settings.NodeName} expecting {peer.Name}; the other side is {hello.Node} expecting {hello.Peer}";
        else if (hello.Resource != context.Settings.Name)
            wrong = $"the other side talks about resource {hello.Resource}, not {context.Settings.Name}";
        else if (hello.VersionMin > (uint)context.Settings.NewestProtocol || hello.VersionMax < (uint)ProtocolVersion.Oldest)
            wrong = $"no common protocol version: here {(uint)ProtocolVersion.Oldest} to {(uint)context.Settings.NewestProtocol}, there {hello.VersionMin} to {hello.VersionMax}";
        if (wrong is not null)
        {
            OnRefused(peer, GoodbyeReason.Refused, wrong);
            return;
        }

        peer.Version = (ProtocolVersion)Math.Min(hello.VersionMax, (uint)context.Settings.NewestProtocol);
        peer.Step = HandshakeStep.Draining;
        peer.StateSinceMs = context.NowMs;
        Advance(peer);
    }

    /// <summary>Sends this node's state once nothing is under way that could still change it. Called after every event.</summary>
    public void Advance(Peer peer)
    {
        if (peer.Step != HandshakeStep.Draining || IsRoleChanging())
            return;

        // A Primary holds its clients up only once the peer has shown that it is there and answers; two Primaries would wait for each other, so not for ever.
        bool mayFreeze = context.Role != Role.Primary || peer.PeerState is not null || context.NowMs - peer.StateSinceMs >= SecondaryFirstMs;
        if (!mayFreeze)
            return;
        writes.Freeze(FreezeReason.Handshake);
        foreach (Volume volume in context.Volumes)
        {
            if ((!volume.IsQuiet || volume.MetadataWrites > 0) && !Canary.StateSaidTooEarly)
                return;
        }

        peer.Step = HandshakeStep.State;
        var volumes = ImmutableArray.CreateBuilder<VolumeStateInfo>();
        foreach (Volume volume in context.Volumes)
            volumes.Add(_comparison.Describe(volume, peer));
        context.Send(peer, new ResourceStateMessage(
            context.Role, context.Settings.Protocol, volumes.ToImmutable(), context.LastSequence.Next, peer.DiscardMyData)
        {
            SplitBrainPolicies = peer.Version >= ProtocolVersion.V2 ? context.Settings.SplitBrain.Text : "",
        });
        DecideIfComplete(peer);
    }

    /// <summary>The peer's state.</summary>
    public void State(Peer peer, ResourceStateMessage state)
    {
        if (peer.Step is not (HandshakeStep.Draining or HandshakeStep.State) || peer.PeerState is not null)
        {
            OnRefused(peer, GoodbyeReason.Protocol, "a state came at the wrong time");
            return;
        }

        peer.PeerState = state;
        Advance(peer);
        DecideIfComplete(peer);
    }

    /// <summary>The peer's verdict.</summary>
    public void Verdict(Peer peer, VerdictMessage verdict)
    {
        peer.PeerVerdict = verdict;
        ConfirmIfComplete(peer);
    }

    private void DecideIfComplete(Peer peer)
    {
        if (peer.Step != HandshakeStep.State || peer.PeerState is not { } state)
            return;
        if (state.Protocol != context.Settings.Protocol && peer.Version < ProtocolVersion.V2)
        {
            OnRefused(peer, GoodbyeReason.Refused, $"protocol {context.Settings.Protocol} here, {state.Protocol} there: the configurations differ");
            return;
        }

        if (peer.Version >= ProtocolVersion.V2 && state.SplitBrainPolicies != context.Settings.SplitBrain.Text)
        {
            OnRefused(peer, GoodbyeReason.Refused, $"the split-brain policies differ: here {Named(context.Settings.SplitBrain.Text)}, there {Named(state.SplitBrainPolicies)}: correct one of the configurations");
            return;
        }

        SettingsChange.Agree(context, peer, state.Protocol);
        peer.Role = state.Role;
        peer.Received = state.NextSequence.Value == 0 ? default : new SequenceNumber(state.NextSequence.Value - 1);
        peer.AppliedHere = peer.AckSent = peer.ReceivedAckSent = peer.Received;
        peer.Applied = context.LastSequence;
        HandshakeComparison.Refusal? refusal = _comparison.Decide(peer, state, out ImmutableArray<VolumeVerdict> verdicts);
        _reports.Report(peer, refusal);
        if (refusal is not null)
        {
            OnRefused(peer, refusal.Reason, refusal.Why);
            return;
        }

        var verdict = new VerdictMessage(verdicts);
        if (BeforeVerdict(peer, () => SayVerdict(peer, verdict)))
            SayVerdict(peer, verdict);
    }

    private void SayVerdict(Peer peer, VerdictMessage verdict)
    {
        peer.Step = HandshakeStep.Verdict;
        context.Send(peer, verdict);
        ConfirmIfComplete(peer);
    }

    private static string Named(string policies) => policies.Length > 0 ? policies : "none";

    private void ConfirmIfComplete(Peer peer)
    {
        if (peer.Step != HandshakeStep.Verdict || peer.PeerVerdict is not { } theirs)
            return;
        foreach (Volume volume in context.Volumes)
        {
            PeerVolume peerVolume = volume.Peers[peer.Id.Value];
            if (!peerVolume.IsMatched)
                continue;
            bool found = false;
            foreach (VolumeVerdict verdict in theirs.Volumes)
                found |= verdict.Nr == peerVolume.PeerNr && verdict.Result == (int)peerVolume.Verdict.Mirrored;
            if (!found)
            {
                OnRefused(peer, GoodbyeReason.Protocol, $"the two nodes disagree about {volume.Name}: {peerVolume.Verdict.Result} here");
                return;
            }
        }

        peer.Step = HandshakeStep.Done;
        peer.DiscardMyData &= ResyncTarget.OwesBegin(context, peer);
        peer.RefusedInRow = 0;
        peer.Detail = "";
        peer.ProgressMs = context.NowMs;
        ConnectionStates.Enter(context, peer, ConnectionState.Connected);
        foreach (Volume volume in context.Volumes)
        {
            volume.Peers[peer.Id.Value].Divergence = null;
            EnterConnected(volume.Peers[peer.Id.Value]);
        }

        OnConnected(peer);
        writes.Thaw(FreezeReason.Handshake);
    }

    private void EnterConnected(PeerVolume peerVolume)
    {
        Volume volume = peerVolume.Volume;
        bool bothDisks = peerVolume.IsMatched && volume.HasDisk && peerVolume.PeerDisk > DiskState.Failed;
        if (!bothDisks)
        {
            peerVolume.State = peerVolume.IsMatched ? ReplicationState.Established : ReplicationState.Off;
            if (!volume.HasDisk && peerVolume.IsMatched && context.Role != Role.Primary)
                RememberServer(peerVolume);
            return;
        }

        RememberAgreedSize(volume);
        if (peerVolume.Verdict.IsSource)
        {
            BelieveOwnData(volume);
            ResyncSource.Prepare(peerVolume, peerVolume.Verdict.IsFull);
            if (peerVolume.Verdict.IsFull)
                source.Begin(peerVolume);
        }
        else if (peerVolume.Verdict.IsTarget)
        {
            peerVolume.State = ReplicationState.WFBitMapT;
            OutdateIfOlder(peerVolume);
            if (peerVolume.Verdict.IsFull)
                peerVolume.PeerReportedDirtyBlocks = Block.CountFor(volume.SizeBytes);
            if (!Saves.Begin(peerVolume) && !peerVolume.Verdict.IsFull)
                target.SendBitmap(peerVolume);
        }
        else
        {
            EnterEstablished(peerVolume);
        }
    }

    // Should this node be promoted without a disk: how large the volume is, and which disk of its own may come back to it by the peer's marks.
    private static void RememberServer(PeerVolume peerVolume)
    {
        if (peerVolume.Peer.StateOf(peerVolume.Volume) is not { DiskState: > DiskState.Failed } theirs)
            return;
        peerVolume.Volume.SizeBytes = theirs.SizeBytes;
        peerVolume.BaseGeneration = theirs.BitmapGeneration.IsNone ? theirs.CurrentGeneration : theirs.BitmapGeneration;
    }

    // The peer has nothing newer: that is the evidence that a Consistent node waits for (G6).
    private void BelieveOwnData(Volume volume)
    {
        if (volume.Disk != DiskState.Consistent)
            return;
        volume.Disk = DiskState.UpToDate;
        volume.Superblock = volume.Superblock! with { Flags = Generations.FlagsFor(DiskState.UpToDate, volume.Superblock.Flags) };
        context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock });
    }

    // The peer has newer data: from this moment on this node knows it, and must not be promoted on the old ones if the connection is lost before the
    // resync begins (G6). With equal generations (a crashed Primary's return) the data here are no older, just about to be made equal.
    private void OutdateIfOlder(PeerVolume peerVolume)
    {
        Volume volume = peerVolume.Volume;
        if (peerVolume.Verdict.Rule is not (50 or 51 or 60) || volume.Disk <= DiskState.Outdated)
            return;
        volume.Disk = DiskState.Outdated;
        volume.Superblock = volume.Superblock! with { Flags = Generations.FlagsFor(DiskState.Outdated, volume.Superblock.Flags) };
        context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock });
    }

    // Equal data on both sides: what one of them is sure of, the other is, too.
    private void EnterEstablished(PeerVolume peerVolume)
    {
        Volume volume = peerVolume.Volume;
        peerVolume.State = ReplicationState.Established;
        peerVolume.IsReplicating = true;
        bool good = volume.Disk is DiskState.Consistent or DiskState.UpToDate or DiskState.Outdated;
        bool peerGood = peerVolume.PeerDisk is DiskState.Consistent or DiskState.UpToDate or DiskState.Outdated;
        if (!good || !peerGood)
            return;
        bool wasUpToDate = volume.Disk == DiskState.UpToDate;
        volume.Disk = DiskState.UpToDate;
        peerVolume.PeerDisk = DiskState.UpToDate;
        Superblock superblock = volume.Superblock!;
        SuperblockFlags flags = Generations.FlagsFor(DiskState.UpToDate, superblock.Flags)
            & ~(SuperblockFlags.CrashedPrimary | SuperblockFlags.LostPower);
        superblock = context.Role == Role.Primary ? superblock : EarlyAnswers.Without(superblock);
        PeerSlot slot = superblock.Peers[peerVolume.Slot];
        if ((slot.Flags & PeerSlotFlags.TookOver) != 0)
            superblock = superblock.WithPeer(peerVolume.Slot, slot with { Flags = slot.Flags & ~PeerSlotFlags.TookOver });
        if (!wasUpToDate || flags != superblock.Flags || superblock != volume.Superblock)
        {
            volume.Superblock = superblock with { Flags = flags };
            context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock });
        }
    }

    private void RememberAgreedSize(Volume volume)
    {
        if (volume.Superblock!.AgreedBytes == volume.SizeBytes)
            return;
        volume.Superblock = volume.Superblock with { AgreedBytes = volume.SizeBytes };
        context.WriteMetadata(volume, new MetadataWrite { Volume = volume.Nr, Superblock = volume.Superblock });
    }
}
