using BlockRepl.Core;
using BlockRepl.Daemon.Replication;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// One node: disks that outlive its process, and while the process lives a <see cref="ResourceCore"/> with what it has asked for. Carries effects out by the rules of <see cref="EffectKind"/>, in place of the daemon.
/// </summary>
internal sealed class SimNode
{
    private const long TickUs = 250_000;
    private readonly Simulation _simulation;
    private readonly DiskDriver _driver;
    private readonly EffectQueue _effects = new();
    private readonly List<SimLinkEnd> _links = [];
    private Guid _bootId;
    private bool _isStateNews;

    public SimNode(Simulation simulation, int index, ResourceSettings settings)
    {
        _simulation = simulation;
        _driver = new DiskDriver(simulation, this);
        Index = index;
        Settings = settings;
        Disks = [.. settings.Volumes.Select((volume, nr) => new NodeDisk(
            settings.Name, volume, settings.NodeName, settings.Peers[0], simulation.Plan.VolumeBytes, simulation.CoreChance.NextUInt64() | 1))];
        NewBoot();
    }

    /// <summary>0 for alpha, 1 for beta.</summary>
    public int Index { get; }

    /// <summary>The configuration.</summary>
    public ResourceSettings Settings { get; private set; }

    /// <summary>The node's name.</summary>
    public string Name => Settings.NodeName;

    /// <summary>The disks, by volume.</summary>
    public NodeDisk[] Disks { get; }

    /// <summary>Buffers of this life of the process.</summary>
    public BlockBufferPool Pool { get; private set; } = new();

    /// <summary>Counts the lives of the process: what belongs to an earlier one has no effect.</summary>
    public int Life { get; private set; }

    /// <summary>The process runs.</summary>
    public bool IsAlive => Core is not null;

    /// <summary>Core; null while the process does not run.</summary>
    public ResourceCore? Core { get; private set; }

    /// <summary>What an operator sees.</summary>
    public ResourceStatusReader Status => Core!.Status;

    /// <summary>Core wants a connection.</summary>
    public bool WantsLink { get; set; }

    /// <summary>The process is stopped until that time: it notices nothing.</summary>
    public long FrozenUntilUs { get; set; }

    /// <summary>The process is stopped now.</summary>
    public bool IsFrozen => FrozenUntilUs > _simulation.Clock.NowUs;

    /// <summary>Handlers that have not ended.</summary>
    public int HandlersRunning { get; private set; }

    /// <summary>Is the Primary.</summary>
    public bool IsPrimary => Core is { Role: Role.Primary };

    /// <summary>The newest connection that this end has not closed; null if there is none.</summary>
    public SimLinkEnd? LiveLink => _links.Count > 0 && !_links[^1].IsClosed ? _links[^1] : null;

    /// <summary>Does something later in this life of the process, and not while it is stopped.</summary>
    public void Post(long delayUs, Action what) => PostAt(_simulation.Clock.NowUs + delayUs, what, true);

    /// <summary>As <see cref="Post"/>, at a time; what does not belong to the process is done without it, too.</summary>
    public void PostAt(long atUs, Action what, bool belongsToProcess)
    {
        int life = Life;
        _simulation.Clock.In(atUs - _simulation.Clock.NowUs, Do);

        void Do()
        {
            if (belongsToProcess && life != Life)
                return;
            if (IsFrozen)
            {
                PostAt(FrozenUntilUs, what, belongsToProcess);
                return;
            }

            what();
        }
    }

    /// <summary>Starts the process: attaches the disks and connects.</summary>
    public void Start()
    {
        Check.That(Core is null, "the process runs already");
        Life++;
        Pool = new BlockBufferPool();
        Core = new ResourceCore(Settings, _simulation.CoreChance);
        _simulation.Note(this, "starts");
        for (int v = 0; v < Disks.Length; v++)
            Attach(v);
        Command(new OperatorCommand(OperatorVerb.Connect), null);
        Post(_simulation.WorkChance.Below((int)TickUs), Tick);
    }

    /// <summary>Attaches a volume's disk.</summary>
    public void Attach(int volume)
    {
        if (Disks[volume].Attach(_bootId, out AttachedDisk? attached) is { } wrong)
            throw new ViolationException("G10", $"metadata cannot be read: {wrong}");
        Disks[volume].Serial = ++_simulation.DiskSerials;
        Apply(new CoreEvent { Kind = CoreEventKind.DiskAttached, Volume = new VolumeNr((ushort)volume), Subject = attached, Number = Disks[volume].Serial });
    }

    /// <summary>Gives Core a new configuration.</summary>
    public void Reconfigure(ResourceSettings settings)
    {
        Settings = settings;
        if (IsAlive)
            Apply(new CoreEvent { Kind = CoreEventKind.SettingsChanged, Subject = settings });
    }

    /// <summary>An operator's command.</summary>
    public void Command(OperatorCommand command, Action<CommandResult>? answered) =>
        Apply(new CoreEvent { Kind = CoreEventKind.Command, Subject = command, Second = new Ticket(answered) });

    /// <summary>A connection is there for Core.</summary>
    public void LinkUp(SimLinkEnd end)
    {
        end.IsBound = true;
        WantsLink = false;
        _links.RemoveAll(static link => link.IsClosed);
        _links.Add(end);
        Apply(new CoreEvent { Kind = CoreEventKind.LinkUp, Link = end.Link.Id });
    }

    /// <summary>A frame has come.</summary>
    public void Receive(SimLinkEnd end, byte[] frame, bool isCorrupt)
    {
        if (!end.IsBound)
        {
            if (!Protocol.PeerMessageCodec.TryDecode(frame, out Protocol.PeerMessage? first, out _) || first is not Protocol.HelloMessage)
            {
                end.Close();
                return;
            }

            LinkUp(end);
        }

        if (isCorrupt)
            _simulation.Note(this, "receives a damaged frame");
        string? wrong = Wire.Receive(frame, end.Link.Id, this, Pool);
        if (wrong is null && isCorrupt)
            throw new ViolationException("G10", $"a damaged frame was taken by {Name}");
        if (wrong is null)
            return;
        if (!isCorrupt)
            throw new ViolationException("G10", $"a sound frame was refused by {Name}: {wrong}");
        end.EndOf(ConnectionState.ProtocolError, wrong);
    }

    /// <summary>Core learns that a connection is over.</summary>
    public void LinkIsOver(SimLinkEnd end, ConnectionState why, string detail) =>
        Apply(new CoreEvent { Kind = CoreEventKind.LinkDown, Link = end.Link.Id, State = why, Subject = detail });

    /// <summary>A client's change.</summary>
    public void Change(SimRequest request, BlockBuffer? data) => Apply(new CoreEvent
    {
        Kind = CoreEventKind.ClientChange,
        Volume = request.VolumeNr,
        Header = request.Header,
        Subject = data,
        Second = request,
    });

    /// <summary>A client's read: of the local disk where that is open to reads, else through Core.</summary>
    public void Read(SimRequest request)
    {
        NodeDisk disk = Disks[request.Volume];
        if (!disk.ReadsLocally)
        {
            ReadThroughCore(request, DiskResult.Ok);
            return;
        }

        byte[] data = new byte[request.Range.Length];
        bool isRead = disk.Data.Read(request.Range.Offset, data);
        Post(_simulation.Plan.ReadLatency(_simulation.DiskChance), () =>
        {
            if (isRead)
                _simulation.Work.Completed(this, request, DiskResult.Ok, data);
            else
                ReadThroughCore(request, DiskResult.Io);
        });
    }

    /// <summary>Takes an event in and carries out what follows from it.</summary>
    public void Apply(CoreEvent e)
    {
        e.NowMs = _simulation.Clock.NowMs;
        e.WallMs = e.Kind is CoreEventKind.Tick or CoreEventKind.DiskAttached ? 1_795_000_000_000 + e.NowMs : 0;
        Core!.Apply(in e, _effects, _simulation.Clock.NowUs);
        for (int i = 0; i < _effects.Count; i++)
            CarryOut(ref _effects.Items[i]);
        _effects.Clear();
        if (!_isStateNews)
            return;
        _isStateNews = false;
        _simulation.Watch.StateChanged(this);
    }

    /// <summary>The process dies; the page cache lives on.</summary>
    public void Kill(Prng chance, bool tellsPeer)
    {
        foreach (NodeDisk disk in Disks)
            disk.Crash(chance, _simulation.Clock.NowUs);
        Core = null;
        Life++;
        FrozenUntilUs = 0;
        WantsLink = false;
        HandlersRunning = 0;
        _effects.Clear();
        foreach (SimLink link in _simulation.Links)
        {
            if (!link.Ends[Index].IsClosed)
                link.Ends[Index].Die(tellsPeer);
        }

        _links.Clear();
        _simulation.Watch.ProcessDied(this);
    }

    /// <summary>The host loses power.</summary>
    public void PowerCut(Prng chance)
    {
        if (IsAlive)
            Kill(chance, tellsPeer: false);
        int mode = chance.Below(3);
        foreach (NodeDisk disk in Disks)
            disk.Data.PowerCut(chance, mode);
        NewBoot();
    }

    private void NewBoot() => _bootId = new Guid((int)(_simulation.CoreChance.NextUInt64() & int.MaxValue), (short)(Index + 1), 1, 0, 0, 0, 0, 0, 0, 0, 0);

    private void ReadThroughCore(SimRequest request, DiskResult local) => Apply(new CoreEvent
    {
        Kind = CoreEventKind.ClientRead,
        Volume = request.VolumeNr,
        Header = new Protocol.ChangeHeader(Protocol.ChangeKind.Write, request.VolumeNr, request.Range.Offset, request.Range.Length, Protocol.ChangeFlags.None),
        Result = local,
        Number = local.IsOk ? 0 : Disks[request.Volume].Serial,
        Second = request,
    });

    private void Tick()
    {
        Apply(new CoreEvent { Kind = CoreEventKind.Tick, Number = (ulong)(LiveLink?.LastReceivedMs ?? 0) });
        Post(TickUs, Tick);
    }

    private void CarryOut(ref Effect effect)
    {
        switch (effect.Kind)
        {
            case EffectKind.LocalChange or EffectKind.ResyncRead or EffectKind.PeerRead or EffectKind.VerifyRead:
                _driver.Begin(effect.Volume, new DiskOperation(effect.Kind, effect.Subject));
                break;
            case EffectKind.LocalFlush:
                _driver.Begin(effect.Volume, new DiskOperation(effect.Kind, null) { Ticket = effect.Ticket, FlushMark = Disks[effect.Volume.Value].Data.FlushMark });
                break;
            case EffectKind.WriteMetadata:
                _driver.BeginOnMetadata(effect.Volume, new DiskOperation(effect.Kind, effect.Subject));
                break;
            case EffectKind.GrowDisk:
                _driver.BeginOnMetadata(effect.Volume, new DiskOperation(effect.Kind, effect.Subject) { Ticket = effect.Ticket, Asker = effect.Second, Link = effect.Link });
                break;
            case EffectKind.SendChange or EffectKind.SendMessage or EffectKind.SendResyncData or EffectKind.SendAck or EffectKind.SendStable or EffectKind.SendReadReply:
                if (FindLink(effect.Link) is { } end)
                    end.Enqueue(in effect);
                else
                    FrameBatcher.ReleaseBuffer(in effect);
                break;
            case EffectKind.CloseLink:
                FindLink(effect.Link)?.Close();
                break;
            case EffectKind.Reply:
                _simulation.Work.Completed(this, (SimRequest)effect.Cookie!, effect.Result, null);
                break;
            case EffectKind.ReadReply:
                var read = (SimRequest)effect.Cookie!;
                byte[] data = new byte[read.Range.Length];
                if (effect.Result.IsOk)
                    effect.ReadData?.Span.Slice(effect.BufferOffset, data.Length).CopyTo(data);
                effect.ReadData?.Release();
                _simulation.Work.Completed(this, read, effect.Result, data);
                break;
            case EffectKind.ReadLocally:
                var local = (SimRequest)effect.Cookie!;
                byte[] found = new byte[local.Range.Length];
                bool isRead = Disks[local.Volume].Data.Read(local.Range.Offset, found);
                _simulation.Work.Completed(this, local, isRead ? DiskResult.Ok : DiskResult.Io, found);
                break;
            case EffectKind.StartConnecting:
                WantsLink = true;
                _simulation.DialSoon();
                break;
            case EffectKind.StopConnecting:
                WantsLink = false;
                break;
            case EffectKind.DetachDisk:
                _driver.Detach(effect.Volume, effect.Note);
                break;
            case EffectKind.AttachDisk:
                VolumeNr again = effect.Volume;
                Post(0, () =>
                {
                    if (Disks[again.Value].IsClosed && Status.DiskState(again) == DiskState.Diskless)
                        Attach(again.Value);
                });
                break;
            case EffectKind.OpenReads:
                Disks[effect.Volume.Value].ReadsLocally = !Disks[effect.Volume.Value].IsDetached;
                break;
            case EffectKind.CompleteCommand:
                ((Ticket)effect.Subject!).Complete(effect.Command, this);
                break;
            case EffectKind.SaveBlocks:
                var save = (SaveRequest)effect.Subject!;
                Post(_simulation.Plan.ReadLatency(_simulation.DiskChance), () =>
                    Apply(new CoreEvent { Kind = CoreEventKind.BlocksSaved, Subject = new SaveOutcome(save, "/saved", "") }));
                break;
            case EffectKind.RunHandler:
                HandlersRunning++;
                HandlerCall call = effect.Handler;
                _simulation.Operator.RunHandler(this, call, code =>
                {
                    HandlersRunning--;
                    Apply(new CoreEvent { Kind = CoreEventKind.HandlerCompleted, Subject = new HandlerOutcome(call, code, "") });
                });
                break;
            case EffectKind.Log:
                _simulation.Watch.Logged(this, effect.Text);
                break;
            case EffectKind.StateChanged:
                _isStateNews = true;
                break;
            default:
                throw Check.Unreachable("effect kind");
        }
    }

    private SimLinkEnd? FindLink(LinkId id)
    {
        foreach (SimLinkEnd end in _links)
        {
            if (end.Link.Id == id)
                return end.IsClosed ? null : end;
        }

        return null;
    }

    private sealed class Ticket(Action<CommandResult>? answered)
    {
        private bool _isAnswered;

        public void Complete(CommandResult result, SimNode node)
        {
            Check.That(!_isAnswered, "a command was answered twice");
            _isAnswered = true;
            if (answered is not null)
                node.Post(0, () => answered(result));
        }
    }
}
