namespace BlockRepl.Sim.Run;

/// <summary>
/// Knows what each sector of each node may hold: of the writes asked for, those that no later one replaces that the node must have. Follows for each write which nodes must have it, and on which it must be
/// stable, so that it can tell a write that may be lost (its only copies lost power unflushed) from one that must not be (G1 to G3).
/// </summary>
/// <remarks>
/// A write is on the node that acknowledged it, and on the peer if that was in sync under protocol C. A power cut takes what is not stable. When the two get in sync, the source of the resync decides; a write
/// that the source lacks must not have been acknowledged, unless a person named the target as the one whose data go (G7).
/// </remarks>
internal sealed class Oracle
{
    private readonly WriteHistory _history;
    private readonly ImageCheck _image;
    private readonly ReadCheck _reads;
    private readonly List<WriteRecord>[] _unsettled;
    private readonly long[] _lastPowerCut = [-1, -1];
    private readonly long[,] _lastLoss;
    private long _partedAt = -1;
    private readonly long[] _resyncBegunAt;

    // Nodes that have answered before the other need have it, since the two had one history.
    private readonly bool[] _hasAnsweredEarly = new bool[2];

    public Oracle(int volumes)
    {
        _history = new WriteHistory(volumes);
        _image = new ImageCheck(_history);
        _reads = new ReadCheck(_history);
        _unsettled = new List<WriteRecord>[volumes];
        _resyncBegunAt = new long[volumes];
        _lastLoss = new long[volumes, 2];
        for (int v = 0; v < volumes; v++)
        {
            _unsettled[v] = [];
        }
    }

    /// <summary>Counts requests and answers.</summary>
    public long Now { get; private set; }

    /// <summary>Nodes whose data a person has given up since the two were last in sync.</summary>
    public bool[] IsVictim { get; } = new bool[2];

    /// <summary>Each node may have gone on by itself since the two were last in sync.</summary>
    public bool IsForked { get; set; }

    /// <summary>The next moment.</summary>
    public long Tick() => ++Now;

    /// <summary>A client's change is on its way.</summary>
    /// <param name="request">It.</param>
    /// <param name="node">The node that it is asked of.</param>
    /// <param name="isPeerConnected">Its peer may get it.</param>
    /// <param name="oldestOpen">When the oldest request without an answer was asked for: a read may still return what was there then.</param>
    public WriteRecord Issued(SimRequest request, int node, bool isPeerConnected, long oldestOpen)
    {
        var record = new WriteRecord
        {
            IssuedAt = Tick(),
            Node = node,
            Id = request.Id,
            Place = (request.Volume, request.Range.Offset / Sectors.Bytes, (int)(request.Range.Length / Sectors.Bytes)),
            MaybeOn = isPeerConnected ? 3 : 1 << node,
        };
        _history.Add(record, oldestOpen);
        return record;
    }

    /// <summary>It was answered with success.</summary>
    /// <param name="write">The write.</param>
    /// <param name="on">Nodes that have it now by what was promised.</param>
    /// <param name="isForced">It was to be stable when it is answered (FUA).</param>
    /// <param name="isWeak">The peer is there and need not have it: protocol A or B.</param>
    public void Acknowledged(WriteRecord write, int on, bool isForced, bool isWeak)
    {
        write.IsWeak = isWeak;
        _hasAnsweredEarly[write.Node] |= isWeak;
        write.EndedAt = Tick();
        write.IsAcknowledged = true;
        for (int node = 0; node < 2; node++)
        {
            // What the peer confirmed before it lost power, or a flush, counts for nothing, though the confirmation came later.
            if (_lastLoss[write.Place.Volume, node] > write.IssuedAt && !isForced)
                on &= ~(1 << node);
        }

        write.On = on;
        write.MaybeOn |= on;
        if (isForced)
            write.StableOn = on;
        _unsettled[write.Place.Volume].Add(write);
    }

    /// <summary>It failed, or its node died: it may be there or not.</summary>
    public void Ended(WriteRecord write, bool isPeerConnected)
    {
        if (isPeerConnected)
            write.MaybeOn |= 3;
        write.EndedAt = Tick();
    }

    /// <summary>A flush was answered with success: what was answered before it was asked for is stable.</summary>
    public void Flushed(int volume, long askedAt, int on)
    {
        for (int node = 0; node < 2; node++)
        {
            if (_lastPowerCut[node] > askedAt)
                on &= ~(1 << node);
        }

        foreach (WriteRecord write in _unsettled[volume])
        {
            if (write.EndedAt < askedAt)
                write.StableOn |= write.On & on;
        }

        ForgetSettled(volume);
    }

    /// <summary>
    /// A change or a flush of a Primary without a disk was answered by the peer that serves the volume (G11). The stream carries them in order, so that the server has everything that was answered before, whatever the
    /// protocol said when it was; and it has a generation of its own on record, so that the disk that was lost is a copy of nothing any more, until it is resynced: not a resync from the server throws away what only that
    /// disk held, but a server that has not got it breaks the promise.
    /// </summary>
    public void NoteServed(int volume, int server)
    {
        foreach (WriteRecord write in _unsettled[volume])
        {
            if (write.On == 0)
                continue;

            // Where each has gone on by itself the server has its own history, and what only the other's lost disk had goes with that.
            // So does, with protocols A and B, what the server had not got when the two parted: nothing says that only the lost disk has it (docs/STATUS.md).
            bool isLost = write.IsWeak && HasServedEarly && write.IssuedAt < _partedAt;
            bool isOthers = (IsForked || IsVictim[1 - server] || isLost) && (write.On & 1 << server) == 0;
            write.On = isOthers ? 0 : 1 << server;
            write.StableOn &= write.On;
            write.MaybeOn |= 1 << server;
            write.IsWeak = false;
        }
    }

    /// <summary>A node has lost its connection, or its life.</summary>
    public void NoteParted() => _partedAt = Tick();

    /// <summary>A node lost power.</summary>
    public void NotePowerCut(int node)
    {
        _lastPowerCut[node] = Tick();
        BeginLife();
        for (int volume = 0; volume < _unsettled.Length; volume++)
        {
            _lastLoss[volume, node] = Now;
            TakeUnstable(volume, node);
        }
    }

    /// <summary>A flush failed on a node's disk: what was not stable there may be lost. With the only copy ends the life of the image: clients read it no more, and older data when the disk is back.</summary>
    public void NoteUnflushedLost(int volume, int node, bool isOnlyCopy)
    {
        _lastLoss[volume, node] = Tick();
        if (TakeUnstable(volume, node) || isOnlyCopy)
            BeginLife();
    }

    /// <summary>
    /// A disk was given up, whatever failed: the kernel may have lost what was not stable there and tell nobody (hard part 12), and the engine reckons with it. The disk alone is no place that must have it any more. With the only
    /// copy that clients read goes what they saw of changes that were then refused.
    /// </summary>
    public void NoteDiskFailed(int volume, int node, bool isOnlyCopy) => NoteUnflushedLost(volume, node, isOnlyCopy);

    /// <summary>A process died: what it had in memory is gone.</summary>
    public void NoteDeath() => BeginLife();

    /// <summary>
    /// A resync has begun: its target is Inconsistent. The source has flushed before it asked for that, so what both had, from before they parted, is stable there: if it was not, and the source lost power next, the only
    /// other copy would be half overwritten.
    /// </summary>
    public void NoteResyncBegun(int volume, int source)
    {
        _resyncBegunAt[volume] = Tick();
        foreach (WriteRecord write in _unsettled[volume])
        {
            if (write.On == 3)
                write.StableOn |= 1 << source;
        }

        // The target has its share from now on, and may durably have it all before anybody hears of the end.
        _history.NoteCopied(volume, source);
    }

    /// <summary>A volume got in sync.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="source">The node that the other was resynced from; null if there was no resync.</param>
    /// <param name="disk">Its disk.</param>
    public void NoteInSync(int volume, int? source, SimDisk? disk = null)
    {
        List<WriteRecord> writes = _unsettled[volume];
        for (int i = 0; i < writes.Count; i++)
        {
            WriteRecord write = writes[i];
            if (source is { } node && write.On != 0 && (write.On & 1 << node) == 0 && !_history.Holds(disk!, 1 << node, write, IsVictim[1 - node]))
            {
                // With protocols A and B a crashed Primary is the source also where its host lost power, or its disk a flush: it may have flushed what its peer never got, and what it had not flushed goes,
                // also of what it had answered before by protocol C (docs/decisions/0060).
                bool isLostAnswer = (write.IsWeak && HasServedEarly) || ((write.IsWeak || _hasAnsweredEarly[node] || GoesByConfiguration) && write.StableOn == 0 && _lastLoss[volume, node] > write.EndedAt);
                if (!IsVictim[1 - node] && !isLostAnswer)
                    throw new ViolationException("G7", $"a resync from {ImageCheck.Name(node)} has thrown an acknowledged write away that only {ImageCheck.Name(1 - node)} had: volume {volume}, {write}");
                writes.RemoveAt(i--);
                BeginLife();
                if ((write.MaybeOn & 1 << node) == 0)
                    _history.Forget(write);
                else
                    // The source was sent it once and need not have kept it (it lost power, or protocol A): it may be there or not, on both alike.
                    (write.On, write.StableOn, write.MaybeOn) = (0, 0, 3);
                continue;
            }

            if (write.On != 0)
            {
                // What was answered before the resync was marked, or the target had confirmed it as stable; marks are cleared when both have flushed (hard parts 1 and 4).
                write.On = write.MaybeOn = 3;
                if (source is { } from && ((write.StableOn & 1 << from) != 0 || write.EndedAt < _resyncBegunAt[volume]))
                    write.StableOn = 3;
            }
        }

        if (source is { } copied)
            _history.NoteCopied(volume, copied);
        ForgetSettled(volume);
    }

    /// <summary>Both nodes are in sync and idle: each has everything, whatever the protocol.</summary>
    public void NoteIdleInSync(int volume) => NoteInSync(volume, null);

    /// <summary>The two are in sync on every volume: they have one history again.</summary>
    public void NoteOneHistory()
    {
        IsForked = false;
        IsVictim[0] = IsVictim[1] = false;
        for (int node = 0; node < 2; node++)
            _hasAnsweredEarly[node] = Array.Exists(_unsettled, writes => writes.Exists(write => write.IsWeak && write.Node == node));
    }

    /// <summary>
    /// A peer was asked to serve in the place of a disk while answers came early: it counts as the newer copy from then on, and what it had never got goes if a person attaches the disk that has it (docs/STATUS.md).
    /// </summary>
    public bool HasServedEarly { get; set; }

    /// <summary>A peer of version 1 is not told what was promised: whose disk counts after a crash is decided by the configuration, and that says A or B by now (docs/decisions/0060).</summary>
    public bool GoesByConfiguration { get; set; }

    /// <summary>A node takes over without the other: what was read there before says nothing of what is read here.</summary>
    public void NoteTakeover() => BeginLife();

    /// <summary>A change failed: it may be on one disk, where a reader has seen it, and not on the one that serves from here on.</summary>
    public void NoteRefused() => BeginLife();

    /// <summary>A node has answered what the other need not have (protocols A and B): the two may part over it.</summary>
    public bool HasAnsweredAlone(int node) => Array.Exists(_unsettled, writes => writes.Exists(write => write.IsWeak && write.On == 1 << node));

    /// <summary>Whether a node has everything that was acknowledged and is not lost.</summary>
    public bool HasEverything(int node)
    {
        for (int volume = 0; volume < _unsettled.Length; volume++)
        {
            if (!HasEverything(node, volume))
                return false;
        }

        return true;
    }

    /// <summary>The same, by a look at its disks: what it need not have kept (it lost power) it may have all the same, because it was flushed before it went on alone.</summary>
    /// <param name="node">Its index.</param>
    /// <param name="disks">Its disks; null where the peer serves the volume.</param>
    public bool HasEverything(int node, SimDisk?[] disks)
    {
        for (int volume = 0; volume < _unsettled.Length; volume++)
        {
            if (disks[volume] is { } disk && !_unsettled[volume].TrueForAll(write => write.On == 0 || (write.On & 1 << node) != 0 || _history.Holds(disk, 1 << node, write)))
                return false;
        }

        return true;
    }

    /// <summary>The same of one volume.</summary>
    public bool HasEverything(int node, int volume) => _unsettled[volume].TrueForAll(write => write.On == 0 || (write.On & 1 << node) != 0);

    /// <summary>
    /// Checks an image against what the node must hold. With <paramref name="isPrefix"/> it must also be that of one moment of the stream, across volumes (G4). Null, or what is wrong.
    /// </summary>
    public string? Check(int node, SimDisk[] disks, bool isPrefix) => _image.Check(node, disks, isPrefix);

    /// <summary>Checks what a client read. Null, or what is wrong.</summary>
    public string? CheckRead(SimRequest read, ReadOnlySpan<byte> data, int node) => _reads.Check(read, data, node, Tick(), IsForked);

    /// <summary>A node was promoted that lacks something: what its peer acknowledged under protocol A or B, and it does not have, may be gone for good.</summary>
    /// <param name="node">Its index.</param>
    /// <param name="givesUpAll">So may the rest that only its peer has.</param>
    public void NoteFailover(int node, bool givesUpAll = false)
    {
        foreach (List<WriteRecord> writes in _unsettled)
        {
            foreach (WriteRecord write in writes)
            {
                if ((write.IsWeak || givesUpAll) && (write.On & 1 << node) == 0)
                    write.On = 0;
            }
        }
    }

    /// <summary>Whatever a node holds is the truth from now on, by force.</summary>
    /// <param name="node">Its index.</param>
    /// <param name="disks">Its disks; null where the peer serves the volume.</param>
    public void TakeAsTruth(int node, SimDisk?[] disks)
    {
        long now = Tick();
        for (int volume = 0; volume < disks.Length; volume++)
        {
            if (disks[volume] is not { } disk)
                continue;
            var stable = new WriteRecord { IssuedAt = now, EndedAt = now, Node = node, IsAcknowledged = true, On = 1 << node, StableOn = 1 << node, MaybeOn = 1 << node, Place = (volume, 0, 0) };
            var unstable = new WriteRecord { IssuedAt = now, EndedAt = now, Node = node, IsAcknowledged = true, On = 1 << node, MaybeOn = 1 << node, Place = (volume, 0, 0) };
            foreach ((long block, List<HistoryEntry>[] sectors) in _history.BlocksOf(volume))
            {
                byte[] content = disk[block];
                bool isStable = !disk.IsUnstable(block);
                var seen = new Sighting();
                for (int s = 0; s < Sectors.PerBlock; s++)
                {
                    Sectors.TryIdentify(content.AsSpan(s * Sectors.Bytes, Sectors.Bytes), volume, block * Sectors.PerBlock + s, out ulong id);

                    // What this node alone had is what its image says now. What the other may hold without having promised it stays known: it may be seen there.
                    sectors[s].RemoveAll(entry => (entry.Write.MaybeOn & ~(1 << node)) == 0 && !entry.Write.MayBeLost && entry.Write.IsAcknowledged);
                    sectors[s].Add(new HistoryEntry(isStable ? stable : unstable, id, seen));
                }
            }

            // What both must have stays so: the image replaces it here, and a resync from here throws nothing of it away.
            foreach (WriteRecord write in _unsettled[volume])
            {
                if (write.On == 1 << node)
                    write.On = 0;
            }

            _unsettled[volume].RemoveAll(static write => write.On == 0);
            _unsettled[volume].Add(stable);
            _unsettled[volume].Add(unstable);
        }

        Tick();
    }

    // What was read before says nothing of what is read from here on.
    private void BeginLife() => _reads.BeginLife(Now);

    // True if nobody need have one of them any more.
    private bool TakeUnstable(int volume, int node)
    {
        bool isLast = false;
        foreach (WriteRecord write in _unsettled[volume])
        {
            if ((write.StableOn & 1 << node) != 0)
                continue;
            isLast |= write.On == 1 << node;
            write.On &= ~(1 << node);
        }

        return isLast;
    }

    private void ForgetSettled(int volume) => _unsettled[volume].RemoveAll(static write => write.StableOn == 3);
}
