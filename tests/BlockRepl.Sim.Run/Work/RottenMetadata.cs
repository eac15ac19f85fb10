using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// Metadata that changes without having been written: in one copy of a superblock or of an activity-log transaction, where something stands that counts or anywhere; or a sector of a bitmap, which reads as zeroes. Never
/// in both copies of one thing: that no format survives.
/// </summary>
internal static class RottenMetadata
{
    private const int FlagsAndGenerationAt = 56;
    private const int FlagsAndGenerationEnd = 88;

    /// <summary>Lets some of a volume's metadata rot. False if it has rotten enough.</summary>
    /// <param name="simulation">Whose chance decides.</param>
    /// <param name="node">Whose volume it is.</param>
    /// <param name="volume">The volume.</param>
    /// <param name="isDown">The node has just gone down: it is what it looks at next that rots, a superblock or the newest transaction of the activity log.</param>
    public static bool Take(Simulation simulation, SimNode node, int volume, bool isDown = false)
    {
        Prng chance = simulation.FaultChance;
        NodeDisk disk = node.Disks[volume];
        if (disk.Open() is not { Store: { } store, Loaded: { } loaded })
            throw new ViolationException("G10", $"metadata of {disk.Identity} cannot be read");
        Span<byte> bytes = disk.Metadata.Bytes;
        int offset;
        switch (chance.Below(isDown ? 2 : 3))
        {
            case 0 when loaded.DamagedSuperblockCopies == 0:
                offset = (int)store.Layout.SuperblockOffset(chance.Below(2))
                    + (chance.OneIn(2) ? FlagsAndGenerationAt + chance.Below(FlagsAndGenerationEnd - FlagsAndGenerationAt) : chance.Below(Block.Size));
                bytes[offset] ^= (byte)(1 << chance.Below(8));
                break;
            case 1 when loaded.DamagedActivityLogCopies == 0:
                ulong place = isDown || chance.OneIn(2) ? loaded.ActivityLogTransaction : (ulong)chance.Below(MetadataLayout.ActivityLogPlaces);
                int slots = isDown || chance.OneIn(2) ? Math.Max(1, loaded.ActiveExtents.Length) : Superblock.ActivityLogExtentsMin;
                offset = (int)store.Layout.ActivityLogPlaceOffset(place) + chance.Below(MetadataLayout.ActivityLogCopies) * store.Layout.ActivityLogTransactionBytes
                    + ActivityLogCodec.HeaderBytes + sizeof(uint) * chance.Below(slots);
                bytes.Slice(offset, sizeof(uint)).Fill(0xFF);
                break;
            case 2 when loaded.DamagedBitmapBlocks == 0:
                // Where it has bits for the volume at all.
                long index = chance.Below((int)BitmapBlockCodec.BlocksFor(store.Layout.DataBlocks));
                offset = (int)store.Layout.BitmapBlockOffset(0, index) + BitmapBlockCodec.HeaderBytes + Sectors.Bytes * chance.Below(3);
                bytes.Slice(offset, Sectors.Bytes - BitmapBlockCodec.HeaderBytes).Clear();
                break;
            default:
                return false;
        }

        simulation.Note(node, $"volume {volume}: the metadata rots at {offset}");
        return true;
    }
}
