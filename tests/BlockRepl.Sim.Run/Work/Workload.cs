using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Run;

/// <summary>
/// The clients. Several at a volume, each with several requests at once; they write, trim, zero, flush and read, overlapping each other. A client whose connection breaks sends what was not answered again on
/// another one, once the old requests are done with, as the NBD server sees to it.
/// </summary>
internal sealed class Workload
{
    private readonly Simulation _simulation;
    private readonly SimClient[] _clients;
    private readonly long[][] _blocks;
    private ulong _ids;

    public Workload(Simulation simulation)
    {
        _simulation = simulation;
        RunPlan plan = simulation.Plan;
        _clients = new SimClient[2 * plan.Volumes * plan.ClientsPerVolume];
        for (int i = 0; i < _clients.Length; i++)
            _clients[i] = new SimClient(i & 1, (i >> 1) % plan.Volumes, i);
        _blocks = new long[plan.Volumes][];
        long blocks = plan.VolumeBytes >> Block.Shift;
        int extents = (int)(plan.VolumeBytes >> 22);
        for (int v = 0; v < plan.Volumes; v++)
        {
            _blocks[v] = new long[plan.Blocks];
            for (int i = 0; i < plan.Blocks; i++)
            {
                // A few neighbours in each of many extents; the last block of the volume, too.
                long extent = i / 3 * 7 % extents;
                _blocks[v][i] = Math.Min((extent << 10) + i % 3 + 200 * (i / 3 / extents), blocks - 4);
            }
        }
    }

    /// <summary>Who is told of every answer.</summary>
    public Disasters? Disasters { get; set; }

    /// <summary>Nothing new is asked for.</summary>
    public bool IsStopped { get; set; }

    /// <summary>Nothing new is asked for before that time.</summary>
    public long RestsUntilUs { get; set; }

    /// <summary>Requests without an answer of a living node.</summary>
    public int InFlight { get; private set; }

    /// <summary>Volumes of a node: a client wants to be served where the node is Primary.</summary>
    public void Start(SimNode node)
    {
        foreach (SimClient client in _clients)
        {
            if (client.Node == node.Index)
                PostNext(client);
        }
    }

    /// <summary>The node and the volume of every write in flight.</summary>
    public IEnumerable<(int Node, int Volume)> ChangesInFlight() =>
        _clients.SelectMany(client => client.InFlight.Where(request => request.Record is not null).Select(request => (client.Node, request.Volume)));

    /// <summary>What is in flight on a node, for a report.</summary>
    public IEnumerable<string> Describe(int node) =>
        _clients.Where(client => client.Node == node).SelectMany(client => client.InFlight).Select(request => request.ToString());

    /// <summary>A request of a node was answered.</summary>
    public void Completed(SimNode node, SimRequest request, DiskResult result, byte[]? data)
    {
        if (request.IsOver)
            throw new ViolationException("protocol", $"{node.Name} answered {request} twice");
        request.IsOver = true;
        InFlight--;
        SimClient client = request.Client;
        client.InFlight.Remove(request);
        if (_simulation.IsTracing)
            _simulation.Note(node, $"answers {request}: {result}{(request.IsAbandoned ? " (to nobody)" : "")}");
        _simulation.Statistics.Operations++;
        Disasters?.OperationDone();
        if (!result.IsOk)
            _simulation.Statistics.FailedOperations++;
        bool isSeen = result.IsOk && !request.IsAbandoned;
        Oracle oracle = _simulation.Oracle;
        bool isServed = request.Kind is not null && isSeen && StatusReading.IsServed(node, request.Volume);
        if (isServed)
            oracle.NoteServed(request.Volume, 1 - node.Index);
        if (request.Record is { } record)
        {
            if (isSeen)
            {
                // What was asked for before protocol C came into force may be answered after it, and is on the peer no sooner for that.
                int on = request.IsSentEarly && !isServed ? 1 << node.Index : StatusReading.HoldersOf(node, request.Volume);
                oracle.Acknowledged(record, on, (request.Flags & ChangeFlags.Fua) != 0, !isServed && (request.IsSentEarly || StatusReading.IsWeak(node)));
            }
            else
            {
                oracle.Ended(record, StatusReading.IsConnected(node));
                if (!result.IsOk)
                    oracle.NoteRefused();
            }
        }
        else if (request.Kind == ChangeKind.Flush)
        {
            if (isSeen)
                oracle.Flushed(request.Volume, request.IssuedAt, StatusReading.HoldersOf(node, request.Volume));
        }
        else if (isSeen && oracle.CheckRead(request, data, StatusReading.IsServed(node, request.Volume) ? 1 - node.Index : node.Index) is { } wrong)
        {
            throw new ViolationException("linearizability", wrong);
        }

        if (request.IsAbandoned && client.InFlight.TrueForAll(static open => !open.IsAbandoned))
            Repeat(node, client);
        PostNext(client);
    }

    /// <summary>A process died: nobody answers any more.</summary>
    public void NodeDied(SimNode node)
    {
        foreach (SimClient client in _clients)
        {
            if (client.Node != node.Index)
                continue;
            foreach (SimRequest request in client.InFlight)
            {
                request.IsOver = true;
                InFlight--;
                if (request.Record is { } record)
                    _simulation.Oracle.Ended(record, _simulation.IsPeerThere(node.Index));
            }

            client.InFlight.Clear();
            client.ToRepeat.Clear();
            client.IsPosted = false;
        }
    }

    /// <summary>A client of a node loses its connection; false if none has anything in flight.</summary>
    public bool BreakOne(SimNode node, Prng chance)
    {
        SimClient client = _clients[chance.Below(_clients.Length)];
        if (client.Node != node.Index || client.InFlight.Count == 0 || client.ToRepeat.Count > 0)
            return false;
        _simulation.Note(node, $"client {client.Nr} loses its connection with {client.InFlight.Count} requests in flight");
        foreach (SimRequest request in client.InFlight)
        {
            request.IsAbandoned = true;
            client.ToRepeat.Add(request);
        }

        return true;
    }

    private void Repeat(SimNode node, SimClient client)
    {
        SimRequest[] requests = [.. client.ToRepeat];
        client.ToRepeat.Clear();
        node.Post(100, () =>
        {
            foreach (SimRequest request in requests)
            {
                if (!MayAsk(node, client))
                    return;
                Ask(node, new SimRequest
                {
                    Kind = request.Kind,
                    Volume = request.Volume,
                    Range = request.Range,
                    Flags = request.Flags,
                    Id = request.Id,
                    Client = client,
                });
            }
        });
    }

    private bool MayAsk(SimNode node, SimClient client) =>
        !IsStopped && node.IsPrimary && !node.IsFrozen && !_simulation.Operator.IsDemoting[node.Index] && client.InFlight.Count < 2 * _simulation.Plan.Depth;

    private void PostNext(SimClient client)
    {
        SimNode node = _simulation.Nodes[client.Node];
        if (client.IsPosted || IsStopped || !node.IsAlive)
            return;
        client.IsPosted = true;
        long rest = Math.Max(0, RestsUntilUs - _simulation.Clock.NowUs);
        node.Post(rest + _simulation.WorkChance.Below(_simulation.Plan.ThinkUs + 1), () => Next(node, client));
    }

    private void Next(SimNode node, SimClient client)
    {
        client.IsPosted = false;
        if (!MayAsk(node, client) || client.ToRepeat.Count > 0)
            return;
        Ask(node, Draw(client));
        if (client.InFlight.Count < _simulation.Plan.Depth)
            PostNext(client);
    }

    private SimRequest Draw(SimClient client)
    {
        Prng chance = _simulation.WorkChance;
        int what = chance.Below(100);
        if (what < 8)
            return new SimRequest { Kind = ChangeKind.Flush, Volume = client.Volume, Client = client };
        long[] blocks = _blocks[client.Volume];
        int hot = chance.OneIn(2) ? Math.Min(6, blocks.Length) : blocks.Length;
        long offset = blocks[chance.Below(hot)] << Block.Shift;
        long length = (1 + chance.Below(3)) * (long)Block.Size;
        if (chance.OneIn(5))
        {
            offset += chance.Below(Sectors.PerBlock) * Sectors.Bytes;
            length = (1 + chance.Below(12)) * (long)Sectors.Bytes;
        }

        var range = new ByteRange(offset, length);
        if (what < 40)
            return new SimRequest { Volume = client.Volume, Range = range, Client = client };
        ChangeKind kind = what switch { < 45 => ChangeKind.Trim, < 50 => ChangeKind.Zeroes, _ => ChangeKind.Write };
        ChangeFlags flags = chance.OneIn(10) ? ChangeFlags.Fua : ChangeFlags.None;
        if (kind == ChangeKind.Zeroes && chance.OneIn(2))
            flags |= ChangeFlags.KeepAllocated;
        return new SimRequest { Kind = kind, Volume = client.Volume, Range = range, Flags = flags, Id = kind == ChangeKind.Write ? ++_ids : 0, Client = client };
    }

    private long OldestOpen()
    {
        long oldest = long.MaxValue;
        foreach (SimClient client in _clients)
        {
            foreach (SimRequest request in client.InFlight)
            {
                if (request.IssuedAt > 0)
                    oldest = Math.Min(oldest, request.IssuedAt);
            }
        }

        return oldest;
    }

    private void Ask(SimNode node, SimRequest request)
    {
        request.Client.InFlight.Add(request);
        InFlight++;
        if (_simulation.IsTracing)
            _simulation.Note(node, $"is asked by client {request.Client.Nr} for {request}");
        if (request.Kind is null)
        {
            request.IssuedAt = _simulation.Oracle.Tick();
            node.Read(request);
            return;
        }

        if (request.Kind == ChangeKind.Flush)
        {
            request.IssuedAt = _simulation.Oracle.Tick();
            node.Change(request, null);
            return;
        }

        request.Record = _simulation.Oracle.Issued(request, node.Index, _simulation.IsPeerThere(node.Index), OldestOpen());
        request.IssuedAt = request.Record.IssuedAt;
        request.IsSentEarly = StatusReading.IsWeak(node);
        _simulation.Watch.NoteChange(node.Index, request.Volume);
        BlockBuffer? buffer = null;
        if (request.Kind == ChangeKind.Write)
        {
            buffer = node.Pool.Rent((int)request.Range.Length, BufferPurpose.NbdWrite);
            Sectors.Fill(buffer.Span[..(int)request.Range.Length], request.Id, request.Volume, request.Range.Offset / Sectors.Bytes);
        }

        node.Change(request, buffer);
        buffer?.Release();
    }
}
