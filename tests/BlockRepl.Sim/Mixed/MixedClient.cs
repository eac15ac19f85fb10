using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Sim.Mixed;

/// <summary>The clients of a random history: writes, trims, zeroes, reads and flushes of two volumes whose last block is a part of one, often of single sectors.</summary>
internal sealed class MixedClient(MixedWorld world)
{
    /// <summary>More extents than the log has places.</summary>
    public const int Extents = 6;

    /// <summary>Size of each volume.</summary>
    public const long VolumeBytes = ((long)Extents << ActivityLog.ExtentShift) - Block.Size + 3 * SectorOracle.SectorBytes;

    /// <summary>Asks a Primary for something, if the node drawn is one.</summary>
    public void Ask()
    {
        SimulatedNode node = world.Pick();
        if (!node.IsAlive || node.Core.Role != Role.Primary)
            return;
        var volume = (ushort)world.Chance.Below(2);
        ByteRange range = DrawRange();
        int draw = world.Chance.Below(24);
        if (draw < 4)
        {
            world.Note($"{node.Name} flush {volume}");
            world.Checks.Flushes.Add(world.Cluster.Flush(node, volume));
            return;
        }

        if (draw < 7)
        {
            world.Note($"{node.Name} read {volume} {range}");
            world.Checks.Reads.Add((node, world.Cluster.Read(node, range.Offset, range.Length, volume)));
            return;
        }

        ChangeKind kind = draw < 9 ? ChangeKind.Trim : draw < 10 ? ChangeKind.Zeroes : ChangeKind.Write;
        ChangeFlags flags = world.Chance.OneIn(5) ? ChangeFlags.Fua : ChangeFlags.None;
        ClientRequest change = world.Cluster.Change(node, kind, range.Offset, range.Length, flags, volume);
        world.Oracle.Issued(change, flags);
        world.Note($"{node.Name} {kind} {change.Id} on {volume} at {range} {flags}");
    }

    // A few blocks in each extent; often the last block, which is a part of one; often single sectors.
    private ByteRange DrawRange()
    {
        long extent = world.Chance.Below(world.Mix.Extents);
        long block = world.Chance.Below(world.Mix.BlocksPerExtent);
        bool isTail = extent == Extents - 1 && world.Chance.OneIn(2);
        long offset = isTail ? VolumeBytes - 3 * SectorOracle.SectorBytes : (extent << ActivityLog.ExtentShift) + (block << Block.Shift);
        long length = (1 + world.Chance.Below(3)) * Block.Size;
        if (world.Chance.OneIn(4))
        {
            offset += world.Chance.Below(isTail ? 3 : 8) * SectorOracle.SectorBytes;
            length = (1 + world.Chance.Below(10)) * SectorOracle.SectorBytes;
        }

        return new ByteRange(offset, Math.Min(length, VolumeBytes - offset));
    }
}
