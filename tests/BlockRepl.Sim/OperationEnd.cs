using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim;

/// <summary>What a pending operation does to a node's disk and metadata when it ends, and what Core is told of it.</summary>
internal static class OperationEnd
{
    /// <summary>Does it, if it is to succeed, and says what to tell.</summary>
    public static CoreEvent Of(SimulatedNode node, PendingOperation operation, DiskResult result)
    {
        SimulatedDisk disk = node.Disks[operation.Volume.Value];
        var e = new CoreEvent { Volume = operation.Volume, Result = result, Subject = operation.Subject };
        switch (operation.Kind)
        {
            case EffectKind.LocalChange:
                if (result.IsOk)
                    disk.Change(operation.Request);
                e.Kind = CoreEventKind.LocalChangeCompleted;
                break;
            case EffectKind.LocalFlush:
                if (result.IsOk)
                    disk.Flush(operation.FlushMark);
                e.Kind = CoreEventKind.LocalFlushCompleted;
                e.Number = operation.Ticket;
                break;
            case EffectKind.ResyncRead or EffectKind.PeerRead:
                if (result.IsOk)
                    Read(node, disk, operation.Request);
                e.Kind = operation.Kind == EffectKind.PeerRead ? CoreEventKind.PeerReadCompleted : CoreEventKind.ResyncReadCompleted;
                break;
            case EffectKind.VerifyRead:
                if (result.IsOk)
                    Digest(disk, operation.Request.Verify!);
                e.Kind = CoreEventKind.VerifyReadCompleted;
                break;
            case EffectKind.SaveBlocks:
                e.Kind = CoreEventKind.BlocksSaved;
                e.Subject = new SaveOutcome((SaveRequest)operation.Subject!, "/saved", result.IsOk ? "" : $"the disk could not be read: {result}");
                break;
            case EffectKind.GrowDisk:
                e.Kind = CoreEventKind.DiskGrown;
                e.Number = operation.Ticket;
                e.Link = operation.Link;
                e.Second = operation.Asker;
                e.Subject = Grow(node, operation, disk, result);
                break;
            default:
                while (result.IsOk && operation.PartsDone < SimulatedMetadata.PartsOf(operation.Metadata))
                    node.CarryOutPart(operation);
                e.Kind = CoreEventKind.MetadataWritten;
                break;
        }

        return e;
    }

    private static GrownDisk Grow(SimulatedNode node, PendingOperation operation, SimulatedDisk disk, DiskResult result)
    {
        if (!result.IsOk)
            return new GrownDisk(0, false, "", result);
        SimulatedMetadata metadata = node.Metadata[operation.Volume.Value];
        if (disk.SizeBytes > metadata.Superblock.DataBytes)
            metadata.Grow(disk.SizeBytes);
        long served = ((GrowDisk)operation.Subject!).ServedBytes;
        bool isZero = disk.SizeBytes == served || disk.Cache.IsZero(new ByteRange(served, disk.SizeBytes - served));
        return new GrownDisk(metadata.Superblock.DataBytes, isZero, "", DiskResult.Ok);
    }

    private static void Read(SimulatedNode node, SimulatedDisk disk, ChangeRequest request)
    {
        ResyncChunk chunk = request.Chunk!;
        if (request.Origin == ChangeOrigin.ResyncCompare)
        {
            chunk.Different = BlockHash.Compare(disk.Cache.Read(chunk.Range), chunk.Hashes);
            return;
        }

        long hole = disk.Cache.HoleFrom(chunk.Range.FirstBlock, Block.CountFor(disk.SizeBytes)) << Block.Shift;
        if (hole > 0)
        {
            chunk.HoleEnd = Math.Min(chunk.Range.Offset + hole, disk.SizeBytes);
            chunk.Range = chunk.Range with { Length = Math.Min(chunk.Range.Length, hole) };
            chunk.IsZeroes = true;
            return;
        }

        chunk.Range = chunk.Range with { Length = Math.Min(chunk.Range.Length, ResyncChunk.DataBytesMax) };
        if (disk.Cache.IsZero(chunk.Range))
        {
            chunk.IsZeroes = true;
            return;
        }

        if (chunk.WantsHashes)
        {
            chunk.Hashes = BlockHash.Compute(disk.Cache.Read(chunk.Range));
            return;
        }

        chunk.Buffer = node.Pool.Rent((int)chunk.Range.Length, BufferPurpose.Resync);
        disk.Cache.Read(chunk.Range.Offset, chunk.Buffer.Span);
    }

    private static void Digest(SimulatedDisk disk, VerifyChunk chunk)
    {
        var content = new byte[chunk.Range.Length];
        disk.Cache.Read(chunk.Range.Offset, content);
        BlockDigest.Compute(content, chunk.Digests);
    }
}
