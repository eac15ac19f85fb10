using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// Comparing a volume with a peer's while it is in use (DRBD: online verify): who begins, who may, what ends it. It runs only while both disks are UpToDate and every change is mirrored, and
/// stops with the first event after which that is not so. What it has found stays in <see cref="PeerVolume.LastVerify"/> until the daemon ends.
/// </summary>
internal sealed class Verification
{
    private readonly ResourceContext _context;
    private readonly LocalDisk _disk;
    private readonly VerifyEvidence _evidence;
    private readonly VerifyAsks _asks;
    private readonly VerifyRepair _repair;
    private readonly VerifyTarget _target;

    public Verification(ResourceContext context, FreezeRecord freeze, LocalDisk disk)
    {
        _context = context;
        _disk = disk;
        _evidence = new VerifyEvidence(context);
        _asks = new VerifyAsks(context);
        _repair = new VerifyRepair(context, freeze, disk);
        _target = new VerifyTarget(context, disk);
        Source = new VerifySource(context, _repair);
    }

    /// <summary>The half that sends digests.</summary>
    public VerifySource Source { get; }

    /// <summary>An operator wants one volume, or all, compared with each peer.</summary>
    public void Start(object? cookie, VolumeNr? wanted, VerifyOptions options)
    {
        PeerVolume[] volumes = [.. _context.Volumes
            .Where(volume => wanted is null || volume.Nr == wanted)
            .SelectMany(volume => volume.Peers)];
        if (volumes.Length == 0)
        {
            _context.CompleteCommand(cookie, CommandResult.Refused($"{_context.Settings.Name} has no peer to be compared with", "configure a second node"));
            return;
        }

        // All or none: half an answer would be read as a whole one.
        foreach (PeerVolume peerVolume in volumes)
        {
            if (Refuse(peerVolume, options) is { } refusal)
            {
                _context.CompleteCommand(cookie, refusal);
                return;
            }
        }

        var group = new VerifyAsks.Group(cookie);
        foreach (PeerVolume peerVolume in volumes)
            Start(peerVolume, options, group);
        _asks.CompleteIfDone(group);
    }

    /// <summary>Stops what may not go on, and keeps the rest going. Called after every event.</summary>
    public void Advance()
    {
        _evidence.Observe();
        _asks.DropLost();
        foreach (Volume volume in _context.Volumes)
        {
            foreach (PeerVolume peerVolume in volume.Peers)
            {
                if (peerVolume.Verify is not null || peerVolume.VerifyTarget is not null)
                    Advance(peerVolume);
            }
        }
    }

    /// <summary>A message of a comparison came. Returns what is wrong with it, or null: one that belongs to a comparison that is over is passed over.</summary>
    public string? Receive(PeerVolume peerVolume, PeerMessage message)
    {
        Advance(peerVolume);
        switch (message)
        {
            case VerifyRangeMessage range:
                return _target.Range(peerVolume, range);
            case VerifyResultMessage result:
                Source.Result(peerVolume, result);
                return null;
            default:
                Control(peerVolume, (VerifyControlMessage)message);
                return null;
        }
    }

    /// <summary>A range that was held back may be read.</summary>
    public void Release(ChangeRequest request) => VerifyReads.Release(_context, request);

    /// <summary>A range is read.</summary>
    public void ReadCompleted(ChangeRequest request, DiskResult result)
    {
        VerifyChunk chunk = request.Verify!;
        PeerVolume peerVolume = chunk.PeerVolume;
        peerVolume.Volume.Active.Remove(request);
        bool isSource = peerVolume.Verify is not null && peerVolume.Verify == chunk.Job;
        bool isTarget = peerVolume.VerifyTarget is not null && peerVolume.VerifyTarget == chunk.Job;
        if (!result.IsOk)
            _disk.Fail(peerVolume.Volume, $"read at {chunk.Range.Offset} for a comparison failed: {result}");
        else if (isSource && peerVolume.Verify!.Conditions.Broken(_context, peerVolume) is null)
            Source.ReadCompleted(chunk);
        else if (isTarget && peerVolume.VerifyTarget!.Conditions.Broken(_context, peerVolume) is null)
            _target.ReadCompleted(chunk);
        _context.ReturnRequest(request);
    }

    /// <summary>A piece of data for a repair is read.</summary>
    public void RepairReadCompleted(ChangeRequest request, DiskResult result) => _repair.ReadCompleted(request, result);

    /// <summary>A piece of a repair is on the disk.</summary>
    public void RepairWritten(ChangeRequest request, DiskResult result) => _target.Written(request, result);

    /// <summary>A piece of a repair came.</summary>
    public string? RepairData(PeerVolume peerVolume, ByteRange range, BlockBuffer? buffer, int bufferOffset, bool zeroes) =>
        _target.Data(peerVolume, range, buffer, bufferOffset, zeroes);

    /// <summary>How the comparison stands, or how the last one ended; null if there was none.</summary>
    public static VerifyReport? Report(PeerVolume peerVolume) =>
        peerVolume.Verify?.Report(0, "") ?? peerVolume.VerifyTarget?.Report(0, "") ?? peerVolume.LastVerify;

    /// <summary>
    /// What is marked was found by a comparison that was not to repair it, or one is under way: no resync begins by itself, the operator wants to look first. The next connection, or a
    /// comparison that repairs, clears the marks.
    /// </summary>
    public static bool KeepsMarks(PeerVolume peerVolume)
    {
        peerVolume.HasVerifyMarks &= peerVolume.Bitmap is { SetCount: > 0 };
        return peerVolume.HasVerifyMarks || peerVolume.Verify is not null || peerVolume.VerifyTarget is not null;
    }

    private void Advance(PeerVolume peerVolume)
    {
        if (peerVolume.Verify is { } job)
        {
            if (job.Conditions.Broken(_context, peerVolume) is { } broken)
                Source.Stop(peerVolume, broken, tell: peerVolume.Peer.Link == job.Conditions.Link && peerVolume.Peer.IsConnected);
            else
                Source.Pump(peerVolume);
        }

        if (peerVolume.VerifyTarget is { } target && target.Conditions.Broken(_context, peerVolume) is { } why)
            _target.Stop(peerVolume, target, why);
    }

    private CommandResult? Refuse(PeerVolume peerVolume, VerifyOptions options)
    {
        Peer peer = peerVolume.Peer;
        string name = $"{_context.Settings.Name}/{peerVolume.Volume.Name}";
        if (VerifyConditions.Unfit(_context, peerVolume) is { } unfit)
        {
            return CommandResult.Refused(
                $"{name} cannot be compared: {unfit}", $"it needs a connection and UpToDate data on both nodes: blockrepl wait-sync {_context.Settings.Name}");
        }

        if (peer.Version < ProtocolVersion.V2)
        {
            return CommandResult.Refused(
                $"{name} cannot be compared: {peer.Name} speaks version {(uint)peer.Version} of the peer protocol, which has no verify",
                $"upgrade BlockRepl on {peer.Name}");
        }

        if (Report(peerVolume) is { IsRunning: true } running)
        {
            return CommandResult.Refused(
                $"{name} is being compared with {peer.Name}: {running.PositionBytes} of {running.StopBytes} bytes are done", "wait for its end; disconnect stops it");
        }

        if (RangeOf(peerVolume, options).Length <= 0)
        {
            return CommandResult.Refused(
                $"{name}: there is nothing from {options.StartBytes ?? 0} to {options.StopBytes ?? peerVolume.Volume.SizeBytes}, it has {peerVolume.Volume.SizeBytes} bytes",
                "give --start below --stop and the size");
        }

        return _evidence.Choose(peer, options, out _, out _);
    }

    // By default a comparison goes on where the last one was stopped.
    private static ByteRange RangeOf(PeerVolume peerVolume, VerifyOptions options)
    {
        long size = peerVolume.Volume.SizeBytes;
        bool goesOn = peerVolume.LastVerify is { IsComplete: false } last && last.PositionBytes < last.StopBytes;
        long start = options.StartBytes ?? (goesOn ? peerVolume.LastVerify!.PositionBytes : 0);
        long stop = Math.Min(options.StopBytes ?? size, size);
        start &= -Block.Size;
        stop = Math.Min(Block.CountFor(stop) << Block.Shift, size);
        return new ByteRange(start, Math.Max(0, stop - start));
    }

    private void Start(PeerVolume peerVolume, VerifyOptions options, VerifyAsks.Group group)
    {
        _ = _evidence.Choose(peerVolume.Peer, options, out bool isThisNode, out string why);
        ByteRange range = RangeOf(peerVolume, options);
        ulong id = _context.Chance.NextUInt64();
        string said = $"{_context.Settings.Name}/{peerVolume.Volume.Name}: comparing {range.Length} bytes from {range.Offset} on with {peerVolume.Peer.Name}"
            + (options.Repair ? $"; what differs is repaired: {why}" : "");
        if (isThisNode)
        {
            Source.Begin(peerVolume, id, range, options.Repair, why);
            group.Said.Add(said);
            return;
        }

        _asks.Add(peerVolume, id, group, said);
        _context.Send(peerVolume.Peer, new VerifyControlMessage(peerVolume.Volume.Nr, VerifyAction.Ask, id)
        {
            Range = range,
            Repair = options.Repair,
            Text = why,
        });
    }

    private void Control(PeerVolume peerVolume, VerifyControlMessage message)
    {
        VerifyTargetJob? target = peerVolume.VerifyTarget is { } job && job.Id == message.Id ? job : null;
        switch (message.Action)
        {
            case VerifyAction.Ask:
                Asked(peerVolume, message);
                break;
            case VerifyAction.Begin:
                if (_target.Begin(peerVolume, message) is { } refusal)
                    SendRefusal(peerVolume, message.Id, refusal);
                else
                    _asks.Answer(peerVolume, message.Id, null);
                break;
            case VerifyAction.Refuse:
                _asks.Answer(peerVolume, message.Id, message.Text);
                StopSource(peerVolume, message);
                break;
            case VerifyAction.Repair when target is not null:
                _target.BeginRepair(peerVolume, target);
                break;
            case VerifyAction.Flush when target is not null:
                _target.Flush(peerVolume, target, message.Flush);
                break;
            case VerifyAction.Flushed when peerVolume.Verify?.Id == message.Id:
                _repair.Flushed(peerVolume, message.Flush);
                break;
            case VerifyAction.End when target is not null:
                _target.End(peerVolume, target, message, "");
                break;
            case VerifyAction.Stop when target is not null:
                _target.End(peerVolume, target, message, Said(peerVolume, message));
                break;
            case VerifyAction.Stop:
                StopSource(peerVolume, message);
                break;
            default:
                break;
        }
    }

    private static string Said(PeerVolume peerVolume, VerifyControlMessage message) =>
        $"{peerVolume.Peer.Name}: {(message.Text.Length > 0 ? message.Text : message.Action.ToString())}";

    private void StopSource(PeerVolume peerVolume, VerifyControlMessage message)
    {
        if (peerVolume.Verify?.Id == message.Id)
            Source.Stop(peerVolume, Said(peerVolume, message), tell: false);
    }

    private void Asked(PeerVolume peerVolume, VerifyControlMessage message)
    {
        string? refusal = VerifyConditions.Unfit(_context, peerVolume);
        ByteRange range = message.Range;
        if (refusal is null && peerVolume.Peer.Role == Role.Primary)
            refusal = $"{peerVolume.Peer.Name} is Primary: its own data counts";
        else if (refusal is null && (peerVolume.Verify is not null || peerVolume.VerifyTarget is not null))
            refusal = $"{_context.Settings.NodeName} is comparing {peerVolume.Volume.Name} already";
        else if (range.Length == 0 || range.End > peerVolume.Volume.SizeBytes || (range.Offset & (Block.Size - 1)) != 0)
            refusal ??= $"{range} is no range of blocks of {peerVolume.Volume.Name}";
        if (refusal is null)
            Source.Begin(peerVolume, message.Id, range, message.Repair, message.Text);
        else
            SendRefusal(peerVolume, message.Id, refusal);
    }

    private void SendRefusal(PeerVolume peerVolume, ulong id, string why) =>
        _context.Send(peerVolume.Peer, new VerifyControlMessage(peerVolume.Volume.Nr, VerifyAction.Refuse, id) { Text = why });
}
