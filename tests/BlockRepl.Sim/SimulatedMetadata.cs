using System.Collections.Immutable;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Sim;

/// <summary>The durable metadata of one volume on one node. Each part of a <see cref="MetadataWrite"/> becomes durable as a whole.</summary>
public sealed class SimulatedMetadata
{
    private ulong[][] _bitmaps;

    public SimulatedMetadata(string resource, string volume, string node, string peer, long dataBytes, int extents)
    {
        Superblock = new Superblock
        {
            ResourceName = resource,
            VolumeName = volume,
            NodeName = node,
            DeviceId = 1,
            Kind = MetadataKind.External,
            DataBytes = dataBytes,
            ActivityLogExtents = extents,
            Peers = [new PeerSlot(peer, GenerationId.None, PeerSlotFlags.FullSync)],
        };
        _bitmaps = [new ulong[(Block.CountFor(dataBytes) + 63) / 64]];
    }

    private SimulatedMetadata(Superblock superblock, ulong[][] bitmaps, HashSet<uint> activeExtents, ulong transaction)
    {
        Superblock = superblock;
        _bitmaps = bitmaps;
        ActiveExtents = activeExtents;
        Transaction = transaction;
    }

    /// <summary>The durable superblock.</summary>
    public Superblock Superblock { get; set; }

    /// <summary>The extents in the durable activity log.</summary>
    public HashSet<uint> ActiveExtents { get; private set; } = [];

    private ulong Transaction { get; set; }

    /// <summary>Marked blocks in the durable bitmap.</summary>
    public long MarkedBlocks => Bitmap(0).SetCount;

    /// <summary>Parts that a write consists of.</summary>
    public static int PartsOf(MetadataWrite write) =>
        (write.Bitmaps.Count > 0 ? 1 : 0) + (write.Superblock is null ? 0 : 1) + (write.ActivityLog is null ? 0 : 1);

    /// <summary>Takes up a larger disk: what is new is clear in the bitmaps.</summary>
    public void Grow(long dataBytes)
    {
        for (int i = 0; i < _bitmaps.Length; i++)
            Array.Resize(ref _bitmaps[i], (int)((Block.CountFor(dataBytes) + 63) / 64));
        Superblock = Superblock with { DataBytes = dataBytes };
    }

    /// <summary>Makes one part durable, in the order bitmap, superblock, activity log.</summary>
    public void CarryOut(MetadataWrite write, int part)
    {
        if (write.Bitmaps.Count > 0 && part-- == 0)
            WriteBitmaps(write);
        else if (write.Superblock is not null && part-- == 0)
            Superblock = write.Superblock with { DataBytes = Superblock.DataBytes };
        else
            WriteActivityLog(write);
    }

    /// <summary>Whether a block is marked, or in an extent whose blocks a restart will mark.</summary>
    public bool IsOnRecord(long block) =>
        IsMarked(block) || ActiveExtents.Contains((uint)(block << Block.Shift >> ActivityLog.ExtentShift));

    /// <summary>What a daemon finds when it reads it.</summary>
    public AttachedDisk Read(long dataBytes, Guid bootId)
    {
        var bitmaps = ImmutableArray.CreateBuilder<DirtyBitmap>();
        for (int slot = 0; slot < _bitmaps.Length; slot++)
            bitmaps.Add(Bitmap(slot));
        return new AttachedDisk(Superblock, [.. ActiveExtents.Order()], Transaction, bitmaps.ToImmutable(), dataBytes, bootId);
    }

    /// <summary>The block is on the disk that this metadata describes.</summary>
    public bool Covers(long block) => block < Block.CountFor(Superblock.DataBytes);

    /// <summary>A copy that shares nothing that changes.</summary>
    public SimulatedMetadata Clone() => new(Superblock, [.. _bitmaps.Select(static b => b.ToArray())], [.. ActiveExtents], Transaction);

    private bool IsMarked(long block) =>
        (Superblock.Peers[0].Flags & PeerSlotFlags.FullSync) != 0 || (_bitmaps[0][block >> 6] >> (int)(block & 63) & 1) != 0;

    /// <summary>A detached disk says of itself that it may lack something.</summary>
    public void Note(SuperblockFlags flags) => Superblock = Superblock with { Flags = Superblock.Flags | flags };

    private DirtyBitmap Bitmap(int slot)
    {
        var bitmap = new DirtyBitmap(Block.CountFor(Superblock.DataBytes));
        if ((Superblock.Peers[slot].Flags & PeerSlotFlags.FullSync) != 0)
            bitmap.SetAll();
        else
            bitmap.OrWords(0, _bitmaps[slot]);
        return bitmap;
    }

    private void WriteBitmaps(MetadataWrite write)
    {
        foreach (BitmapRange range in write.Bitmaps)
        {
            int first = (int)(range.FirstBlock >> 6);
            int last = (int)((range.FirstBlock + range.BlockCount - 1) >> 6);
            range.Bitmap.Words[first..(last + 1)].CopyTo(_bitmaps[range.PeerSlot].AsSpan(first));
        }
    }

    private void WriteActivityLog(MetadataWrite write)
    {
        Check.That(write.ActivityLog is not null && write.ActivityLogTransaction > Transaction, "an activity-log transaction out of order");
        Transaction = write.ActivityLogTransaction;
        ActiveExtents = [.. write.ActivityLog.Where(extent => extent != ActivityLog.EmptySlot)];
    }
}
