using BlockRepl.Core;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>Carries out what Core asks of a node's disks, in simulated time, with the faults that wait for their moment.</summary>
internal sealed class DiskDriver(Simulation simulation, SimNode node)
{
    /// <summary>Begins a read, a change or a flush of the data.</summary>
    public void Begin(VolumeNr volume, DiskOperation operation)
    {
        NodeDisk disk = node.Disks[volume.Value];
        disk.UnderWay.Add(operation);
        node.Post(simulation.Plan.DiskLatency(operation.Kind, simulation.DiskChance), () => Finish(volume, operation));
    }

    /// <summary>Begins an operation on the metadata, after those before it.</summary>
    public void BeginOnMetadata(VolumeNr volume, DiskOperation operation)
    {
        if (node.Disks[volume.Value].Queue(operation))
            PostMetadata(volume, operation);
    }

    private void PostMetadata(VolumeNr volume, DiskOperation operation) =>
        node.Post(simulation.Plan.MetadataLatency(simulation.DiskChance), () => FinishMetadata(volume, operation));

    private bool IsHanging(NodeDisk disk, Action again)
    {
        if (disk.HangsUntilUs <= simulation.Clock.NowUs)
            return false;
        node.PostAt(disk.HangsUntilUs + simulation.DiskChance.Below(1000), again, true);
        return true;
    }

    private void Finish(VolumeNr volume, DiskOperation operation)
    {
        NodeDisk disk = node.Disks[volume.Value];
        if (IsHanging(disk, () => Finish(volume, operation)))
            return;
        disk.UnderWay.Remove(operation);
        var e = new CoreEvent { Volume = volume, Subject = operation.Subject };
        if (disk.IsDetached)
            simulation.Statistics.LateOperations++;
        switch (operation.Kind)
        {
            case EffectKind.LocalChange:
                e.Kind = CoreEventKind.LocalChangeCompleted;
                e.Result = Change(disk, operation.Request);
                break;
            case EffectKind.LocalFlush:
                e.Kind = CoreEventKind.LocalFlushCompleted;
                e.Number = operation.Ticket;
                e.Result = Flush(disk, volume, operation);
                break;
            case EffectKind.VerifyRead:
                e.Kind = CoreEventKind.VerifyReadCompleted;
                e.Result = disk.IsDetached ? DiskResult.Io : disk.Digest(operation.Request.Verify!);
                break;
            case EffectKind.PeerRead:
                e.Kind = CoreEventKind.PeerReadCompleted;
                e.Result = disk.IsDetached ? DiskResult.Io : disk.ReadForPeer(operation.Request.Chunk!, node.Pool);
                break;
            default:
                e.Kind = CoreEventKind.ResyncReadCompleted;
                e.Result = disk.IsDetached ? DiskResult.Io : disk.Read(operation.Request, node.Pool);
                break;
        }

        if (!e.Result.IsOk)
            simulation.Note(node, $"volume {volume.Value}: {operation.Kind} ends with {e.Result}");
        node.Apply(e);
        ReportClosed(volume);
    }

    private DiskResult Change(NodeDisk disk, ChangeRequest request)
    {
        if (disk.WriteFailure is not { } failure)
            return disk.Change(request, null);
        disk.WriteFailure = null;
        simulation.Statistics.Count(Fault.WriteError);

        // A write that is refused may be on the peer. A peer of version 1 gets no repair before the nodes connect again (docs/STATUS.md, G5).
        simulation.WasFull |= simulation.Plan is { IsOldPeer: true, Settings.OnIoError: IoErrorPolicy.PassOn };
        if (simulation.DiskChance.OneIn(2))
            disk.Change(request, simulation.DiskChance);
        return failure;
    }

    private DiskResult Flush(NodeDisk disk, VolumeNr volume, DiskOperation operation)
    {
        if (disk.FlushFails)
        {
            disk.FlushFails = false;
            simulation.Statistics.Count(Fault.FlushError);
            disk.Data.FailFlush(simulation.DiskChance);
            simulation.Oracle.NoteUnflushedLost(volume.Value, node.Index, isOnlyCopy: !simulation.Watch.IsInSync(volume.Value));
            simulation.Watch.HasLostPower[node.Index] = true;
        }

        if (disk.Data.HasFlushFailed)
            return DiskResult.Io;
        disk.Data.Flush(operation.FlushMark);
        return DiskResult.Ok;
    }

    private void FinishMetadata(VolumeNr volume, DiskOperation operation)
    {
        NodeDisk disk = node.Disks[volume.Value];
        if (IsHanging(disk, () => FinishMetadata(volume, operation)))
            return;
        DiskResult result = DiskResult.Io;
        GrownDisk? grown = null;
        if (!disk.IsDetached || operation.Note != 0)
            result = disk.CarryOut(operation, out grown);
        if (disk.Unqueue())
            PostMetadata(volume, disk.MetadataUnderWay!);
        if (operation.Kind == EffectKind.GrowDisk)
        {
            node.Apply(new CoreEvent
            {
                Kind = CoreEventKind.DiskGrown,
                Volume = volume,
                Number = operation.Ticket,
                Link = operation.Link,
                Second = operation.Asker,
                Subject = grown ?? new GrownDisk(0, false, "", DiskResult.Io),
            });
        }
        else if (operation.Note == 0)
        {
            node.Apply(new CoreEvent { Kind = CoreEventKind.MetadataWritten, Volume = volume, Subject = operation.Subject, Result = result });
        }

        ReportClosed(volume);
    }

    /// <summary>Lets go of a disk: what is under way on it may land, and its end is told when nothing is.</summary>
    public void Detach(VolumeNr volume, SuperblockFlags note)
    {
        NodeDisk disk = node.Disks[volume.Value];
        disk.IsDetached = true;
        disk.ReadsLocally = false;
        if (note != 0)
            BeginOnMetadata(volume, new DiskOperation(EffectKind.DetachDisk, null) { Note = note });
        node.Post(simulation.Plan.CarrierDelay(simulation.DiskChance), () => ReportClosed(volume));
    }

    private void ReportClosed(VolumeNr volume)
    {
        NodeDisk disk = node.Disks[volume.Value];
        if (!disk.IsDetached || disk.IsClosed || !disk.IsQuiet)
            return;
        disk.IsClosed = true;
        node.Apply(new CoreEvent { Kind = CoreEventKind.DiskClosed, Volume = volume, Number = disk.Serial });
    }
}
