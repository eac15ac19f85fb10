using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Sim;

/// <summary>
/// One node: disks and metadata that outlive its process, and while the process lives a <see cref="ResourceCore"/> with what it has asked for. Carries
/// effects out by the rules of <see cref="EffectKind"/>; when disk operations end is up to the test.
/// </summary>
public sealed class SimulatedNode
{
    private readonly ClusterHarness _cluster;
    private readonly EffectQueue _effects = new();
    private readonly List<Effect> _sending = [];
    private SendQueue _sends = new();
    private ResourceCore? _core;
    private Guid _bootId;

    public SimulatedNode(ClusterHarness cluster, int index, ResourceSettings settings, long volumeBytes, int extents)
    {
        _cluster = cluster;
        Index = index;
        Settings = settings;
        Disks = [.. settings.Volumes.Select(_ => new SimulatedDisk(volumeBytes))];
        Metadata = [.. settings.Volumes.Select(v => new SimulatedMetadata(
            settings.Name, v, settings.NodeName, settings.Peers[0], volumeBytes, extents))];
        NewBoot();
    }

    /// <summary>0 for alpha, 1 for beta.</summary>
    public int Index { get; }

    /// <summary>The configuration; a new one takes effect at the next start.</summary>
    public ResourceSettings Settings { get; set; }

    /// <summary>The node's name.</summary>
    public string Name => Settings.NodeName;

    /// <summary>Data disks, by volume.</summary>
    public SimulatedDisk[] Disks { get; private set; }

    /// <summary>Metadata, by volume.</summary>
    public SimulatedMetadata[] Metadata { get; private set; }

    /// <summary>Buffers of this life of the process.</summary>
    public BlockBufferPool Pool { get; private set; } = new();

    /// <summary>Disk operations asked for and not over.</summary>
    public List<PendingOperation> Pending { get; } = [];

    /// <summary>Saves end only when the test says so.</summary>
    public bool HoldsSaves { get; set; }

    /// <summary>The newest save that is under way; null if there is none.</summary>
    public SaveRequest? Saving => (SaveRequest?)Pending.FindLast(pending => pending.Kind == EffectKind.SaveBlocks)?.Subject;

    /// <summary>Handlers that were called and have not ended.</summary>
    public List<HandlerCall> Handlers { get; } = [];

    /// <summary>What Core logged.</summary>
    public List<string> Log { get; } = [];

    /// <summary>Client requests without an answer.</summary>
    public HashSet<ClientRequest> Unanswered { get; } = [];

    /// <summary>Kinds of the effects that Core emitted, in order.</summary>
    public List<EffectKind> Effects { get; } = [];

    /// <summary>The process runs.</summary>
    public bool IsAlive => _core is not null;

    /// <summary>Core wants a link.</summary>
    public bool WantsLink { get; set; }

    /// <summary>The process is stopped: it notices nothing and no time passes for it.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>When a frame last came in.</summary>
    public long LastHeardMs { get; set; }

    /// <summary>A dead process has none.</summary>
    public ResourceCore Core => _core ?? throw new InvalidOperationException($"{Name} is down");

    /// <summary>What an operator sees.</summary>
    public ResourceStatusReader Status => Core.Status;

    /// <summary>Reads without an answer.</summary>
    public HashSet<ClientRead> OpenReads { get; } = [];

    /// <summary>A disk that failed still takes the note that it may lack data.</summary>
    public bool TakesLossNote { get; set; }

    /// <summary>Clients' reads go straight to the local disk, by volume.</summary>
    public bool[] ReadsLocally { get; private set; } = [];

    private bool[] IsDetached { get; set; } = [];

    private bool[] IsClosed { get; set; } = [];

    /// <summary>A client's read: of the local disk where that is open to reads, unless it is to fail, else through Core.</summary>
    public void Read(ClientRead read, DiskResult? localFailure = null)
    {
        if (ReadsLocally[read.Volume.Value] && localFailure is null)
        {
            ReadFromDisk(read);
            return;
        }

        OpenReads.Add(read);
        Apply(new CoreEvent
        {
            Kind = CoreEventKind.ClientRead,
            Volume = read.Volume,
            Header = new Protocol.ChangeHeader(Protocol.ChangeKind.Write, read.Volume, read.Range.Offset, read.Range.Length, Protocol.ChangeFlags.None),
            Result = localFailure ?? DiskResult.Ok,
            Second = read,
        });
    }

    private void ReadFromDisk(ClientRead read)
    {
        read.Data = new byte[read.Range.Length];
        Disks[read.Volume.Value].Cache.Read(read.Range.Offset, read.Data);
        read.Result = DiskResult.Ok;
    }

    /// <summary>Starts the process and attaches the disks; the metadata writes of the attachment are pending.</summary>
    public void Start()
    {
        StartDiskless();
        for (ushort v = 0; v < Disks.Length; v++)
            Attach(v);
    }

    /// <summary>Starts the process on another disk for the first volume, of the size that its metadata names.</summary>
    public void Start(SimulatedMetadata metadata)
    {
        Metadata[0] = metadata;
        Disks[0] = new SimulatedDisk(metadata.Superblock.DataBytes);
        Start();
    }

    /// <summary>Puts another disk in the place of the first volume's.</summary>
    public void ChangeDisk(SimulatedMetadata metadata)
    {
        Metadata[0] = metadata;
        Disks[0] = new SimulatedDisk(metadata.Superblock.DataBytes);
    }

    /// <summary>Starts the process and attaches nothing.</summary>
    public void StartDiskless()
    {
        Check.That(_core is null, "the process runs already");
        Pool = new BlockBufferPool();
        IsDetached = new bool[Disks.Length];
        IsClosed = new bool[Disks.Length];
        ReadsLocally = new bool[Disks.Length];
        _core = new ResourceCore(Settings, _cluster.Chance);
    }

    /// <summary>Attaches a volume's disk.</summary>
    public void Attach(ushort volume)
    {
        IsDetached[volume] = false;
        IsClosed[volume] = false;
        Apply(new CoreEvent
        {
            Kind = CoreEventKind.DiskAttached,
            Volume = new VolumeNr(volume),
            // What a disk has grown by is not in use before the metadata have been told of it.
            Subject = Metadata[volume].Read(Math.Min(Disks[volume].SizeBytes, Metadata[volume].Superblock.DataBytes), _bootId),
        });
    }

    /// <summary>The edge has closed the disk that Core gave up: what was under way on it has come back.</summary>
    public void CloseDisk(ushort volume = 0) => Apply(new CoreEvent { Kind = CoreEventKind.DiskClosed, Volume = new VolumeNr(volume) });

    /// <summary>Adds a volume with a fresh disk, or with what is given, to the running process.</summary>
    public void AddVolume(string name, long volumeBytes, (SimulatedDisk Disk, SimulatedMetadata Metadata)? before = null)
    {
        Settings = Settings with { Volumes = Settings.Volumes.Add(name) };
        Disks = [.. Disks, before?.Disk ?? new SimulatedDisk(volumeBytes)];
        Metadata = [.. Metadata, before?.Metadata ?? new SimulatedMetadata(Settings.Name, name, Settings.NodeName, Settings.Peers[0], volumeBytes, 4)];
        IsDetached = [.. IsDetached, true];
        IsClosed = [.. IsClosed, true];
        ReadsLocally = [.. ReadsLocally, false];
        Apply(new CoreEvent { Kind = CoreEventKind.VolumeAdded, Subject = name });
        Attach((ushort)(Disks.Length - 1));
    }

    /// <summary>Forgets the last volume, which Core has let go; returns what it leaves behind.</summary>
    public (SimulatedDisk Disk, SimulatedMetadata Metadata) ForgetLastVolume()
    {
        (SimulatedDisk, SimulatedMetadata) left = (Disks[^1], Metadata[^1]);
        Settings = Settings with { Volumes = Settings.Volumes.RemoveAt(Settings.Volumes.Length - 1) };
        Disks = Disks[..^1];
        Metadata = Metadata[..^1];
        IsDetached = IsDetached[..^1];
        IsClosed = IsClosed[..^1];
        ReadsLocally = ReadsLocally[..^1];
        return left;
    }

    /// <summary>Changes the configuration of the running process.</summary>
    public void Reconfigure(Func<ResourceSettings, ResourceSettings> change)
    {
        Settings = change(Settings);
        Apply(new CoreEvent { Kind = CoreEventKind.SettingsChanged, Subject = Settings });
    }

    /// <summary>Takes an event in and carries out what follows from it.</summary>
    public void Apply(CoreEvent e)
    {
        e.NowMs = _cluster.NowMs;
        e.WallMs = e.Kind is CoreEventKind.Tick or CoreEventKind.DiskAttached ? _cluster.WallMs : 0;
        Core.Apply(in e, _effects);
        for (int i = 0; i < _effects.Count; i++)
            CarryOut(ref _effects.Items[i]);
        _effects.Clear();
    }

    /// <summary>Makes the next part of a pending metadata write durable without reporting it.</summary>
    public void CarryOutPart(PendingOperation operation) =>
        Metadata[operation.Volume.Value].CarryOut(operation.Metadata, operation.PartsDone++);

    /// <summary>Ends a pending operation: does it, unless it is to fail, and reports it.</summary>
    public void Complete(PendingOperation operation, DiskResult? failure = null)
    {
        Check.That(Pending.Remove(operation), "not pending");
        if (operation.Kind == EffectKind.AttachDisk)
        {
            // Somebody may have been quicker.
            if (Status.DiskState(operation.Volume) == DiskState.Diskless)
                Attach((ushort)operation.Volume.Value);
            return;
        }

        DiskResult result = failure ?? (IsDetached[operation.Volume.Value] ? DiskResult.Io : DiskResult.Ok);
        Apply(OperationEnd.Of(this, operation, result));
    }

    /// <summary>Operations that may end next: all but metadata writes behind another of their volume.</summary>
    public IEnumerable<PendingOperation> Completable() => Pending.Where((operation, i) =>
        !(HoldsSaves && operation.Kind == EffectKind.SaveBlocks)
        && (!IsOfMetadata(operation) || !Pending.Take(i).Any(before => IsOfMetadata(before) && before.Volume == operation.Volume)));

    /// <summary>A save is over.</summary>
    public void CompleteSave(string file, string error, SaveRequest? request = null)
    {
        PendingOperation operation = Pending.Find(pending => pending.Kind == EffectKind.SaveBlocks && (request is null || ReferenceEquals(pending.Subject, request)))!;
        Check.That(Pending.Remove(operation), "no save is pending");
        Apply(new CoreEvent { Kind = CoreEventKind.BlocksSaved, Subject = new SaveOutcome((SaveRequest)operation.Subject!, file, error) });
    }

    private static bool IsOfMetadata(PendingOperation operation) => operation.Kind is EffectKind.WriteMetadata or EffectKind.GrowDisk;

    /// <summary>The process dies; what is under way is done as far as <paramref name="chance"/> says. The page cache lives on.</summary>
    public void Kill(Prng chance)
    {
        foreach (PendingOperation operation in Completable().ToList())
        {
            if (operation.Kind == EffectKind.LocalChange && !IsDetached[operation.Volume.Value])
                Disks[operation.Volume.Value].Change(operation.Request, () => chance.OneIn(2));
            int parts = operation.Kind == EffectKind.WriteMetadata ? SimulatedMetadata.PartsOf(operation.Metadata) : 0;
            while (operation.PartsDone < parts && chance.OneIn(2))
                CarryOutPart(operation);
        }

        Die();
    }

    /// <summary>The process dies and nothing that was under way is done.</summary>
    public void Kill() => Die();

    /// <summary>The host loses power.</summary>
    public void PowerCut(Prng chance)
    {
        if (IsAlive)
            Kill(chance);
        foreach (SimulatedDisk disk in Disks)
            disk.PowerCut(() => chance.OneIn(2));
        NewBoot();
    }

    /// <summary>The host loses power and everything that was not flushed.</summary>
    public void PowerCut() => PowerCut(static () => false);

    /// <summary>The host loses power, nothing that was under way is done, and of what was not flushed survives what <paramref name="survives"/> says.</summary>
    public void PowerCut(Func<bool> survives)
    {
        if (IsAlive)
            Die();
        foreach (SimulatedDisk disk in Disks)
            disk.PowerCut(survives);
        NewBoot();
    }

    /// <summary>Reports a detached disk of which nothing is under way as closed, as the daemon does. False if there is none.</summary>
    public bool CloseDetached()
    {
        for (int v = 0; v < Disks.Length; v++)
        {
            var nr = new VolumeNr((ushort)v);
            if (!IsDetached[v] || IsClosed[v] || Pending.Exists(o => o.Volume == nr))
                continue;
            IsClosed[v] = true;
            Apply(new CoreEvent { Kind = CoreEventKind.DiskClosed, Volume = nr });
            return true;
        }

        return false;
    }

    /// <summary>Puts disks and metadata back to what they were at some moment. Only while the process is down.</summary>
    public void Restore(SimulatedDisk[] disks, SimulatedMetadata[] metadata)
    {
        Check.That(!IsAlive, "the process runs");
        for (int v = 0; v < Disks.Length; v++)
        {
            Disks[v] = disks[v].Clone();
            Metadata[v] = metadata[v].Clone();
        }
    }

    private void Die()
    {
        _core = null;
        IsFrozen = false;
        _effects.Clear();
        _sends = new SendQueue();
        Pending.Clear();
        Handlers.Clear();
        WantsLink = false;
        foreach (ClientRequest request in Unanswered)
            request.EndedAt = _cluster.Step;
        Unanswered.Clear();
        OpenReads.Clear();
        _cluster.ProcessDied(this);
    }

    private void NewBoot() => _bootId = new Guid((int)(_cluster.NextNumber() & int.MaxValue), (short)Index, 1, 0, 0, 0, 0, 0, 0, 0, 0);

    /// <summary>Sends the oldest piece of resync data that waits for its turn; false if there is none.</summary>
    public bool SendBulk()
    {
        if (!_sends.HasBulk)
            return false;
        _sends.TakeBulk(_sending);
        SendTaken();
        return true;
    }

    private void SendOrdered()
    {
        _sends.TakeOrdered(_sending);
        SendTaken();
    }

    private void SendTaken()
    {
        foreach (Effect effect in _sending)
            _cluster.Send(this, effect.Link, FrameCodec.Encode(in effect));
        _sending.Clear();
    }

    private void CarryOut(ref Effect effect)
    {
        Effects.Add(effect.Kind);
        switch (effect.Kind)
        {
            case EffectKind.LocalChange or EffectKind.ResyncRead or EffectKind.PeerRead or EffectKind.VerifyRead:
                Pending.Add(new PendingOperation(effect.Kind, effect.Volume, effect.Subject, 0, 0));
                break;
            case EffectKind.LocalFlush:
                Pending.Add(new PendingOperation(effect.Kind, effect.Volume, null, effect.Ticket, Disks[effect.Volume.Value].FlushMark));
                break;
            case EffectKind.GrowDisk:
                Pending.Add(new PendingOperation(effect.Kind, effect.Volume, effect.Subject, effect.Ticket, 0) { Asker = effect.Second, Link = effect.Link });
                break;
            case EffectKind.WriteMetadata or EffectKind.AttachDisk:
                Pending.Add(new PendingOperation(effect.Kind, effect.Volume, effect.Subject, 0, 0));
                break;
            case EffectKind.SendChange or EffectKind.SendMessage or EffectKind.SendResyncData or EffectKind.SendAck or EffectKind.SendStable or EffectKind.SendReadReply:
                _sends.Add(in effect);
                SendOrdered();
                while (!_cluster.HoldsBulk && SendBulk())
                {
                }

                break;
            case EffectKind.Reply:
                var request = (ClientRequest)effect.Cookie!;
                Check.That(Unanswered.Remove(request), "a request was answered twice, or after its process died");
                request.Result = effect.Result;
                request.EndedAt = _cluster.Step;
                break;
            case EffectKind.StartConnecting:
                WantsLink = true;
                break;
            case EffectKind.StopConnecting:
                WantsLink = false;
                break;
            case EffectKind.CloseLink:
                _cluster.Close(this, effect.Link);
                break;
            case EffectKind.DetachDisk:
                IsDetached[effect.Volume.Value] = true;
                ReadsLocally[effect.Volume.Value] = false;
                if (TakesLossNote || (effect.Note & SuperblockFlags.LostPower) == 0)
                    Metadata[effect.Volume.Value].Note(effect.Note);
                break;
            case EffectKind.OpenReads:
                ReadsLocally[effect.Volume.Value] = !IsDetached[effect.Volume.Value];
                break;
            case EffectKind.ReadReply:
                var answered = (ClientRead)effect.Cookie!;
                Check.That(answered.Result is null && OpenReads.Remove(answered), "a read was answered twice, or after its process died");
                answered.Result = effect.Result;
                if (effect.Result.IsOk)
                {
                    answered.Data = new byte[answered.Range.Length];
                    effect.ReadData?.Span.Slice(effect.BufferOffset, answered.Data.Length).CopyTo(answered.Data);
                }

                effect.ReadData?.Release();
                break;
            case EffectKind.ReadLocally:
                var local = (ClientRead)effect.Cookie!;
                OpenReads.Remove(local);
                ReadFromDisk(local);
                break;
            case EffectKind.CompleteCommand:
                var ticket = (CommandTicket)effect.Subject!;
                Check.That(ticket.Result is null, "a command was answered twice");
                ticket.Result = effect.Command;
                break;
            case EffectKind.SaveBlocks:
                Pending.Add(new PendingOperation(effect.Kind, effect.Volume, effect.Subject, 0, 0));
                break;
            case EffectKind.RunHandler:
                Handlers.Add(effect.Handler);
                break;
            case EffectKind.Log:
                Log.Add(effect.Text);
                break;
            case EffectKind.StateChanged:
                break;
            default:
                throw Check.Unreachable("effect kind");
        }
    }
}
