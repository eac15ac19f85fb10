using System.Collections.Immutable;
using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>Reads what an operator, or the peer, may see. Every call is made under the resource's gate.</summary>
public sealed class ResourceStatusReader
{
    private readonly ResourceContext _context;
    private readonly WritePath _writes;
    private readonly Fencing _fencing;
    private readonly RoleChanges _roles;
    private readonly IoSuspension _suspension;

    internal ResourceStatusReader(ResourceContext context, WritePath writes, Fencing fencing, IoSuspension suspension, RoleChanges roles)
    {
        _roles = roles;
        _context = context;
        _writes = writes;
        _fencing = fencing;
        _suspension = suspension;
    }

    /// <summary>This node's role.</summary>
    public Role Role => _context.Role;

    /// <summary>Why changes are held back, each reason with what it waits for and since when (hard part 28); empty if they are not.</summary>
    public ImmutableArray<SuspensionReason> Suspended
    {
        get
        {
            var reasons = ImmutableArray.CreateBuilder<SuspensionReason>();
            Add(FreezeReason.User, "user", _suspension.WaitsFor);
            Add(FreezeReason.Fencing, "fencing", string.Join("; ", _context.Peers.Select(_fencing.Describe).Where(static text => text.Length > 0)));
            Add(FreezeReason.NoData, "no-data", NoData());
            Add(FreezeReason.Handshake | FreezeReason.Attach, "handshake", "");
            Add(FreezeReason.RoleChange, "role-change", "");
            return reasons.ToImmutable();

            string NoData() => _context.Volumes.Find(static volume => volume.Remote.Reason.Length > 0) is { } volume
                ? $"no data accessible for {volume.Name}: {volume.Remote.Reason}"
                : "";

            void Add(FreezeReason reason, string word, string detail)
            {
                if (_writes.Frozen.Has(reason))
                    reasons.Add(new SuspensionReason(word, _writes.Frozen.SinceMs(reason), detail));
            }
        }
    }

    /// <summary>What is being done, or could not be done, about a peer that is not there; empty if nothing.</summary>
    public string Fence(PeerId peer) => _fencing.Describe(_context.Peers[peer.Value]);

    /// <summary>The absent peer is known, durably, not to go on by itself.</summary>
    public bool IsPeerFenced(PeerId peer) => !_context.Peers[peer.Value].IsConnected && _fencing.HasEvidence(_context.Peers[peer.Value]);

    /// <summary>A promotion waits for the answer of <c>fence-peer</c>.</summary>
    public bool IsAwaitingFence => _roles.IsAwaitingFence;

    /// <summary>A promotion without force would first have to fence this peer.</summary>
    public bool IsFenceNeededToPromote(PeerId peer) => _fencing.IsNeededToPromote(_context.Peers[peer.Value]);

    /// <summary>The peer that serves a volume of this Primary instead of its own disk; empty while that disk does.</summary>
    public string ServedBy(VolumeNr volume) => _context.Volumes[volume.Value].Remote.Server?.Peer.Name ?? "";

    /// <summary>Why neither the local disk nor a peer serves a volume of this Primary, in words; empty while one does.</summary>
    public string NoDataReason(VolumeNr volume)
    {
        Volume at = _context.Volumes[volume.Value];
        return _context.Role == Role.Primary && !at.IsAccessible ? at.Remote.Reason : "";
    }

    /// <summary>The connected peer that would serve a volume without a disk here if this node became Primary; null if none could.</summary>
    public string? WouldServe(VolumeNr volume) => PromotionWithoutDisk.FindServer(_context.Volumes[volume.Value], force: false)?.Peer.Name;

    /// <summary>State of a volume's local disk.</summary>
    public DiskState DiskState(VolumeNr volume) => _context.Volumes[volume.Value].Disk;

    /// <summary>What the attachment of a volume's disk made of the activity log that it found; zeroes after an orderly end.</summary>
    public AppliedLog AppliedLog(VolumeNr volume) => _context.Volumes[volume.Value].AppliedLog;

    /// <summary>Extents that are active: after a crash now, so much would be marked.</summary>
    public int ActiveExtents(VolumeNr volume) => _context.Volumes[volume.Value].ActivityLog?.Count ?? 0;

    /// <summary>Bytes that a volume's export has; zero while nothing serves it.</summary>
    public long SizeBytes(VolumeNr volume) => _context.Volumes[volume.Value].HasDisk || _context.Volumes[volume.Value].IsServed ? _context.Volumes[volume.Value].SizeBytes : 0;

    /// <summary>A volume's superblock as last handed out for writing; null while Diskless.</summary>
    public Superblock? Superblock(VolumeNr volume) => _context.Volumes[volume.Value].Superblock;

    /// <summary>State of the connection to a peer.</summary>
    public ConnectionState ConnectionState(PeerId peer) => _context.Peers[peer.Value].State;

    /// <summary>The peer's role; Unknown while not connected.</summary>
    public Role PeerRole(PeerId peer) => _context.Peers[peer.Value].IsConnected ? _context.Peers[peer.Value].Role : Role.Unknown;

    /// <summary>Whether a connected peer has this volume, too; true while not connected.</summary>
    public bool IsOnPeer(VolumeNr volume, PeerId peer) => !_context.Peers[peer.Value].IsConnected || At(volume, peer).IsMatched;

    /// <summary>What is in force while this node's configuration and the peer's differ, in words; empty if they do not.</summary>
    public string Disagreement(PeerId peer) => SettingsChange.Describe(_context, _context.Peers[peer.Value]);

    /// <summary>When a write counts as done towards a peer: the safer of the two configurations' words while connected.</summary>
    public WriteProtocol ProtocolInForce(PeerId peer) => _context.Peers[peer.Value].IsConnected ? _context.Peers[peer.Value].Protocol : _context.Settings.Protocol;

    /// <summary>The protocol version of the connection to a peer; null while not connected.</summary>
    public ProtocolVersion? PeerVersion(PeerId peer) => _context.Peers[peer.Value].IsConnected ? _context.Peers[peer.Value].Version : null;

    /// <summary>What the changes of a peer's stream weigh in memory that are not on this node's disk yet, whatever they wait for.</summary>
    public long UnappliedBytes(PeerId peer) => _context.Peers[peer.Value].UnappliedBytes;

    /// <summary>Why a peer is not connected, in words.</summary>
    public string Detail(PeerId peer) => _context.Peers[peer.Value].Detail;

    /// <summary>When the connection entered its state, in monotonic milliseconds.</summary>
    public long StateSinceMs(PeerId peer) => _context.Peers[peer.Value].StateSinceMs;

    /// <summary>Milliseconds that the dialling side should let pass before it tries this peer again; zero unless the peer keeps refusing.</summary>
    public long RedialPauseMs(PeerId peer) => RedialPause.After(_context.Peers[peer.Value].RefusedInRow, _context.Settings);

    /// <summary>The protocol version spoken on the present connection to a peer; zero before both sides have named theirs.</summary>
    public uint ProtocolVersion(PeerId peer) => _context.Peers[peer.Value].IsConnected ? (uint)_context.Peers[peer.Value].Version : 0;

    /// <summary>The link to a peer, or none.</summary>
    public LinkId Link(PeerId peer) => _context.Peers[peer.Value].Link;

    /// <summary>What happens on a volume towards a peer.</summary>
    public ReplicationState ReplicationState(VolumeNr volume, PeerId peer)
    {
        PeerVolume at = At(volume, peer);
        if (at.Verify is not null)
            return Primitives.ReplicationState.VerifyS;
        if (at.VerifyTarget is not null)
            return Primitives.ReplicationState.VerifyT;
        return at.State switch
        {
            Primitives.ReplicationState.SyncSource when at.IsPaused => Primitives.ReplicationState.PausedSyncS,
            Primitives.ReplicationState.SyncTarget when at.IsPaused => Primitives.ReplicationState.PausedSyncT,
            _ => at.State,
        };
    }

    /// <summary>How a comparison with a peer stands, or how the last one ended; null if there was none since the daemon started.</summary>
    public VerifyReport? Verify(VolumeNr volume, PeerId peer) => Verification.Report(At(volume, peer));

    /// <summary>What the last handshake with a peer decided about a volume.</summary>
    public SyncVerdict Verdict(VolumeNr volume, PeerId peer) => At(volume, peer).Verdict;

    /// <summary>The state of the peer's disk.</summary>
    public DiskState PeerDiskState(VolumeNr volume, PeerId peer) => At(volume, peer).PeerDisk;

    /// <summary>What both sides changed since they were last in sync, if the last handshake found a split brain; null if not.</summary>
    public Divergence? Divergence(VolumeNr volume, PeerId peer) => At(volume, peer).Divergence;

    /// <summary>Blocks that may differ between the two nodes, as far as this node knows.</summary>
    public long OutOfSyncBlocks(VolumeNr volume, PeerId peer)
    {
        PeerVolume at = At(volume, peer);
        bool isTarget = at.Target is not null || at.State == Primitives.ReplicationState.WFBitMapT;
        if (isTarget)
            return Math.Max(at.PeerReportedDirtyBlocks, 0);
        long marked = at.Bitmap?.SetCount ?? 0;
        return at.State == Primitives.ReplicationState.Established ? Math.Max(marked, at.PeerMarkedBlocks) : marked;
    }

    /// <summary>The running resync; null if none runs.</summary>
    public ResyncProgress? Resync(VolumeNr volume, PeerId peer)
    {
        PeerVolume at = At(volume, peer);
        string waiting = (at.IsPausedHere, at.IsPausedThere) switch
        {
            (false, false) when at.AwaitsTurn => "its turn (resync-after)",
            (true, true) => $"resume-sync on {_context.Settings.NodeName} and {at.Peer.Name}",
            (true, false) => $"resume-sync on {_context.Settings.NodeName}",
            (false, true) => $"resume-sync on {at.Peer.Name}, or its turn there (resync-after)",
            _ => at.Source is not null && at.Peer.Pace.IsHeldBack ? $"the application (resync-impact {_context.Settings.ResyncImpactPercent}%)" : "",
        };
        if (at.Source is { IsBegun: true } job)
        {
            long left = at.Bitmap!.SetCount * Block.Size;
            return new ResyncProgress(
                Math.Max(job.TotalBlocks * Block.Size, left), left, at.IsPaused ? 0 : job.Rate.BytesPerSecond, job.EqualBytes, job.ZeroBytes, waiting);
        }

        if (at.Target is not { } target)
            return null;
        long reported = OutOfSyncBlocks(volume, peer) * Block.Size;
        ResyncStatus told = at.PeerResync ?? default;
        return new ResyncProgress(
            Math.Max(Math.Max(target.TotalBlocks * Block.Size, told.TotalBytes), reported), reported, at.IsPaused ? 0 : told.BytesPerSecond, told.EqualBytes, told.ZeroBytes, waiting);
    }

    /// <summary>What clients' requests of a volume wait for, and since when, a sentence each (hard part 28).</summary>
    public IReadOnlyList<string> WaitingFor(VolumeNr volume) => Waits.Of(_context, _context.Volumes[volume.Value], _writes);

    /// <summary>Nothing is under way: no client's or peer's change, flush or metadata write.</summary>
    public bool IsIdle
    {
        get
        {
            foreach (Volume volume in _context.Volumes)
            {
                if (!volume.IsQuiet || volume.MetadataWrites > 0 || !volume.Flushes.IsIdle)
                    return false;
            }

            return _writes.FrozenCount == 0 && Array.TrueForAll(_context.Peers, static peer => peer.UnappliedBytes == 0);
        }
    }

    internal PeerStatusMessage ForPeer(Peer peer)
    {
        var volumes = ImmutableArray.CreateBuilder<PeerVolumeStatus>(_context.Volumes.Length);
        foreach (Volume volume in _context.Volumes)
            volumes.Add(new PeerVolumeStatus(volume.Nr, volume.SaidDisk(_context.Role), volume.Peers[peer.Id.Value].Bitmap?.SetCount ?? 0));
        return new PeerStatusMessage(_context.Role, volumes.MoveToImmutable()) { Resyncs = ResyncsFor(peer) };
    }

    private ImmutableArray<ResyncStatus> ResyncsFor(Peer peer)
    {
        if (peer.Version < Protocol.ProtocolVersion.V2)
            return [];
        var resyncs = ImmutableArray.CreateBuilder<ResyncStatus>();
        foreach (Volume volume in _context.Volumes)
        {
            PeerVolume at = volume.Peers[peer.Id.Value];
            bool isSource = at.Source is { IsBegun: true };
            bool isHeld = at.IsPausedHere || at.AwaitsTurn;
            if (!isSource && !isHeld)
                continue;
            ResyncProgress progress = isSource ? Resync(volume.Nr, peer.Id)!.Value : default;
            resyncs.Add(new ResyncStatus(
                volume.Nr, isHeld, progress.TotalBytes, progress.LeftBytes, progress.BytesPerSecond, progress.EqualBytes, progress.ZeroBytes));
        }

        return resyncs.ToImmutable();
    }

    private PeerVolume At(VolumeNr volume, PeerId peer) => _context.Volumes[volume.Value].Peers[peer.Value];
}
