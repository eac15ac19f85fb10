using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim;

/// <summary>
/// Two nodes, alpha and beta, with simulated disks and a network between them. Nothing happens by itself: a test says which disk operation ends,
/// which frame arrives, what is lost, and when. <see cref="Run"/> lets everything happen that can.
/// </summary>
public sealed class ClusterHarness
{
    public static readonly VolumeNr Volume0 = new(0);
    private const int StepsMax = 100_000;
    private ulong _numbers;
    private SimulatedLink? _link;

    public ClusterHarness(Func<ResourceSettings, ResourceSettings>? settings = null, long volumeBytes = 16 << 20, int extents = 4, ulong seed = 1)
    {
        Chance = new Prng(seed);
        settings ??= s => s;
        Alpha = new SimulatedNode(this, 0, settings(SettingsOf("alpha", "beta")), volumeBytes, extents);
        Beta = new SimulatedNode(this, 1, settings(SettingsOf("beta", "alpha")), volumeBytes, extents);
    }

    public Prng Chance { get; }

    public SimulatedNode Alpha { get; }

    public SimulatedNode Beta { get; }

    /// <summary>Monotonic milliseconds.</summary>
    public long NowMs { get; private set; } = 1_000_000;

    /// <summary>The wall clock of both nodes, in milliseconds since 1970 (UTC).</summary>
    public long WallMs => 1_795_000_000_000 + NowMs;

    /// <summary>Counts what happened; orders requests and replies.</summary>
    public long Step { get; private set; }

    /// <summary>While false no link comes up.</summary>
    public bool IsNetworkUp { get; set; } = true;

    /// <summary>Resync data waits to be sent until something says so, or nothing else can happen: application's changes overtake it where they may.</summary>
    public bool HoldsBulk { get; set; }

    /// <summary>The newest link; null before the first.</summary>
    public SimulatedLink? Link => _link;

    /// <summary>Both nodes see each other.</summary>
    public bool IsConnected => Alpha.IsAlive && Beta.IsAlive
        && Alpha.Status.ConnectionState(PeerOf) == ConnectionState.Connected && Beta.Status.ConnectionState(PeerOf) == ConnectionState.Connected;

    /// <summary>The only peer of each node.</summary>
    public static PeerId PeerOf { get; } = new(0);

    public static ResourceSettings SettingsOf(string node, string peer) => new()
    {
        Name = "mail",
        NodeName = node,
        Peers = [peer],
        Volumes = ["postgres"],

        // Time stands still unless a test lets it pass; a resync that makes room for an application would wait for it.
        ResyncImpactPercent = 100,
    };

    /// <summary>A cluster whose nodes are connected, UpToDate and idle, with alpha Primary.</summary>
    public static ClusterHarness InSync(Func<ResourceSettings, ResourceSettings>? settings = null, long volumeBytes = 16 << 20, int extents = 4)
    {
        var cluster = new ClusterHarness(settings, volumeBytes, extents);
        cluster.StartBoth();
        cluster.Run();
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.SkipInitialSync).ExitCode);
        Assert.Equal(0, cluster.CommandAndRun(cluster.Alpha, OperatorVerb.Primary).ExitCode);
        cluster.AssertInSync();
        return cluster;
    }

    public SimulatedNode Other(SimulatedNode node) => node == Alpha ? Beta : Alpha;

    public ulong NextNumber() => ++_numbers;

    /// <summary>Starts both processes and connects them.</summary>
    public void StartBoth()
    {
        foreach (SimulatedNode node in new[] { Alpha, Beta })
        {
            node.Start();
            Command(node, OperatorVerb.Connect);
        }
    }

    public CommandTicket Command(SimulatedNode node, OperatorVerb verb, bool force = false, bool discardMyData = false) =>
        Command(node, new OperatorCommand(verb) { Force = force, DiscardMyData = discardMyData });

    /// <summary>An operator's command, with whatever it carries.</summary>
    public CommandTicket Command(SimulatedNode node, OperatorCommand command)
    {
        Step++;
        var ticket = new CommandTicket();
        node.Apply(new CoreEvent { Kind = CoreEventKind.Command, Subject = command, Second = ticket });
        return ticket;
    }

    public CommandTicket CommandAndRun(SimulatedNode node, OperatorVerb verb, bool force = false, bool discardMyData = false)
    {
        CommandTicket ticket = Command(node, verb, force, discardMyData);
        Run();
        return ticket;
    }

    /// <summary>As <see cref="CommandAndRun"/>, but no further than to the answer.</summary>
    public CommandTicket CommandAndRunUntilAnswered(SimulatedNode node, OperatorVerb verb)
    {
        CommandTicket ticket = Command(node, verb);
        while (ticket.Result is null)
            Assert.True(StepOnce(), "the command is not answered");
        return ticket;
    }

    /// <summary>A client's change; a write fills its range with a number of its own.</summary>
    public ClientRequest Change(
        SimulatedNode node, ChangeKind kind, long offset, long length, ChangeFlags flags = ChangeFlags.None, ushort volume = 0)
    {
        Step++;
        var request = new ClientRequest(node.Name, new VolumeNr(volume), kind, new ByteRange(offset, length), NextNumber(), Step);
        node.Unanswered.Add(request);
        BlockBuffer? buffer = null;
        if (kind == ChangeKind.Write)
        {
            buffer = node.Pool.Rent((int)length, BufferPurpose.NbdWrite);
            Fill(buffer.Span, request.Id);
        }

        node.Apply(new CoreEvent
        {
            Kind = CoreEventKind.ClientChange,
            Volume = request.Volume,
            Header = new ChangeHeader(kind, request.Volume, offset, length, flags),
            Subject = buffer,
            Second = request,
        });
        buffer?.Release();
        return request;
    }

    public ClientRequest Write(SimulatedNode node, long offset, long length = Block.Size, ChangeFlags flags = ChangeFlags.None, ushort volume = 0) =>
        Change(node, ChangeKind.Write, offset, length, flags, volume);

    public ClientRequest Flush(SimulatedNode node, ushort volume = 0) => Change(node, ChangeKind.Flush, 0, 0, volume: volume);

    /// <summary>A client's read of whole blocks.</summary>
    public ClientRead Read(SimulatedNode node, long offset, long length = Block.Size, ushort volume = 0, DiskResult? localFailure = null)
    {
        Step++;
        var read = new ClientRead(new VolumeNr(volume), new ByteRange(offset, length), Step);
        node.Read(read, localFailure);
        return read;
    }

    /// <summary>What a write with this number puts everywhere.</summary>
    public static void Fill(Span<byte> span, ulong id)
    {
        for (int i = 0; i < span.Length; i++)
            span[i] = (byte)(id >> (8 * (i & 7)));
    }

    /// <summary>The number that fills a block; zero for zeroes.</summary>
    public static ulong IdIn(ReadOnlySpan<byte> block) => System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(block);

    /// <summary>Establishes a link if both nodes want one and the network allows it.</summary>
    public bool TryEstablish()
    {
        bool stale = _link is not null && _link.IsCut;
        if (!IsNetworkUp || !WantsOrHasDead(Alpha, stale) || !WantsOrHasDead(Beta, stale) || !(Alpha.WantsLink || Beta.WantsLink))
            return false;
        Step++;
        _link = new SimulatedLink(new LinkId(NextNumber()));
        foreach (SimulatedNode node in new[] { Alpha, Beta })
        {
            node.WantsLink = false;
            node.LastHeardMs = NowMs;
        }

        LinkId id = _link.Id;
        Alpha.Apply(new CoreEvent { Kind = CoreEventKind.LinkUp, Link = id });
        Beta.Apply(new CoreEvent { Kind = CoreEventKind.LinkUp, Link = id });
        return true;
    }

    /// <summary>Delivers the next frame to a node; a link that the other side closed ends after its last frame. False if there is nothing.</summary>
    public bool Deliver(SimulatedNode to)
    {
        if (_link is not { } link || !to.IsAlive || to.IsFrozen || link.IsClosed[to.Index])
            return false;
        if (!link.IsCut && link.To[to.Index].TryDequeue(out byte[]? frame))
        {
            Step++;
            to.LastHeardMs = NowMs;
            FrameCodec.Decode(frame, to.Pool, e => to.Apply(e with { Link = link.Id }));
            return true;
        }

        if (!link.IsCut && !link.IsClosed[1 - to.Index])
            return false;
        NoticeLinkDown(to);
        return true;
    }

    /// <summary>Gives one node a link whose other end is the test's.</summary>
    public void EstablishAlone(SimulatedNode node)
    {
        Step++;
        _link = new SimulatedLink(new LinkId(NextNumber()));
        node.WantsLink = false;
        node.LastHeardMs = NowMs;
        node.Apply(new CoreEvent { Kind = CoreEventKind.LinkUp, Link = _link.Id });
    }

    /// <summary>Hands a node a frame of the test's own, as from its peer.</summary>
    public void DeliverTo(SimulatedNode to, byte[] frame)
    {
        Step++;
        to.LastHeardMs = NowMs;
        LinkId link = _link!.Id;
        _link.Versions.Sent(1 - to.Index, frame);
        FrameCodec.Decode(frame, to.Pool, e => to.Apply(e with { Link = link }));
    }

    /// <summary>As <see cref="DeliverTo"/>, for a peer that is not held to what a version 1 build would take.</summary>
    public void Hand(SimulatedNode to, byte[] frame)
    {
        Step++;
        to.LastHeardMs = NowMs;
        LinkId link = _link!.Id;
        FrameCodec.Decode(frame, to.Pool, e => to.Apply(e with { Link = link }));
    }

    /// <summary>Takes the next frame for a node off its link, for a test that hands it another.</summary>
    public byte[] TakeFrame(SimulatedNode to) => _link!.To[to.Index].Dequeue();

    /// <summary>Delivers everything that is on the way to a node now.</summary>
    public void DeliverAll(SimulatedNode to)
    {
        for (int frames = _link?.To[to.Index].Count ?? 0; frames > 0; frames--)
            Deliver(to);
    }

    /// <summary>The network loses the connection with all frames on the way; the nodes have not noticed yet.</summary>
    public void CutSilently()
    {
        if (_link is null)
            return;
        _link.IsCut = true;
        foreach (Queue<byte[]> queue in _link.To)
            queue.Clear();
    }

    /// <summary>The network loses the connection and both nodes notice.</summary>
    public void Cut()
    {
        CutSilently();
        NoticeLinkDown(Alpha);
        NoticeLinkDown(Beta);
    }

    /// <summary>A node learns that its link is over.</summary>
    public void NoticeLinkDown(SimulatedNode node)
    {
        if (_link is null || _link.IsClosed[node.Index] || !node.IsAlive || node.IsFrozen)
            return;
        Step++;
        _link.IsClosed[node.Index] = true;
        node.Apply(new CoreEvent
        {
            Kind = CoreEventKind.LinkDown,
            Link = _link.Id,
            State = ConnectionState.BrokenPipe,
            Subject = "the connection was lost",
        });
    }

    /// <summary>Lets time pass and tells the nodes.</summary>
    public void Tick(long milliseconds = 1_000)
    {
        NowMs += milliseconds;
        Step++;
        foreach (SimulatedNode node in new[] { Alpha, Beta })
        {
            if (node.IsAlive && !node.IsFrozen)
                node.Apply(new CoreEvent { Kind = CoreEventKind.Tick, Number = (ulong)node.LastHeardMs });
        }
    }

    /// <summary>Ends the oldest pending operation of a node that may end. False if there is none.</summary>
    public bool CompleteOne(SimulatedNode node)
    {
        if (node.Completable().FirstOrDefault() is not { } operation)
            return false;
        Complete(node, operation);
        return true;
    }

    /// <summary>Ends one operation.</summary>
    public void Complete(SimulatedNode node, PendingOperation operation, DiskResult? failure = null)
    {
        Step++;
        node.Complete(operation, failure);
    }

    /// <summary>Ends the only pending operation of a kind.</summary>
    public void Complete(SimulatedNode node, EffectKind kind, DiskResult? failure = null) =>
        Complete(node, node.Pending.First(operation => operation.Kind == kind), failure);

    /// <summary>Ends the oldest running call of a handler with an exit code.</summary>
    public void CompleteHandler(SimulatedNode node, HandlerKind kind, int exitCode)
    {
        Step++;
        HandlerCall call = node.Handlers.First(running => running.Kind == kind);
        node.Handlers.Remove(call);
        node.Apply(new CoreEvent { Kind = CoreEventKind.HandlerCompleted, Subject = new HandlerOutcome(call, exitCode, "") });
    }

    /// <summary>Ends all disk operations of a node, and those that follow from them.</summary>
    public void RunDisk(SimulatedNode node)
    {
        for (int i = 0; CompleteOne(node); i++)
            Assert.True(i < StepsMax, "the disk does not come to rest");
    }

    /// <summary>Ends disk operations of a node until one of a kind is pending.</summary>
    public void RunDiskUntil(SimulatedNode node, EffectKind kind)
    {
        while (!node.Pending.Exists(operation => operation.Kind == kind))
            Assert.True(CompleteOne(node), $"no {kind} comes");
    }

    /// <summary>Ends all disk operations of a node but those of one kind, and those that follow from them.</summary>
    public void RunDiskExcept(SimulatedNode node, EffectKind kind)
    {
        while (node.Completable().FirstOrDefault(operation => operation.Kind != kind) is { } operation)
            Complete(node, operation);
    }

    /// <summary>Lets everything happen that can, until nothing can.</summary>
    public void Run()
    {
        for (int i = 0; StepOnce(); i++)
            Assert.True(i < StepsMax, "the cluster does not come to rest");
    }

    /// <summary>Lets one thing happen; false if nothing can.</summary>
    public bool StepOnce() =>
        CompleteOne(Alpha) || CompleteOne(Beta) || Deliver(Beta) || Deliver(Alpha) || Alpha.SendBulk() || Beta.SendBulk() || TryEstablish();

    internal void Send(SimulatedNode from, LinkId link, byte[] frame)
    {
        // An effect for a link that is gone is dropped.
        if (_link is not { IsCut: false } current || current.Id != link || current.IsClosed[from.Index] || current.IsClosed[1 - from.Index])
            return;
        current.Versions.Sent(from.Index, frame);
        current.To[1 - from.Index].Enqueue(frame);
    }

    internal void Close(SimulatedNode node, LinkId link)
    {
        if (_link is { } current && current.Id == link)
        {
            current.IsClosed[node.Index] = true;
            current.To[node.Index].Clear();
        }
    }

    internal void ProcessDied(SimulatedNode node)
    {
        Step++;
        if (_link is null)
            return;
        _link.IsClosed[node.Index] = true;
        _link.To[node.Index].Clear();
    }

    private bool WantsOrHasDead(SimulatedNode node, bool linkIsCut) =>
        node.IsAlive && !node.IsFrozen && (node.WantsLink || (linkIsCut && !_link!.IsClosed[node.Index]));
}
