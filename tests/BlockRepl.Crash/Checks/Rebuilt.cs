using BlockRepl.Crash.Recording;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Checks;

/// <summary>Makes the disk that is found after a cut.</summary>
internal static class Rebuilt
{
    /// <summary>
    /// The disk at <paramref name="time"/>: what was stable, and of the rest what <paramref name="chance"/> lets arrive: whole calls, some of their 4 KiB blocks, or, inside a block, some of its sectors.
    /// </summary>
    public static SparseDisk Disk(DiskLog log, long time, Loss loss, Prng chance)
    {
        DiskCall[] calls = log.Calls;
        long newestFlush = -1;
        foreach (DiskCall call in calls)
        {
            if (call.Kind == DiskCallKind.Flush && call.Answered <= time)
                newestFlush = Math.Max(newestFlush, call.Begun);
        }

        SparseDisk disk = log.Start.Copy();
        foreach (DiskCall call in calls)
        {
            if (call.Begun > time)
                break;
            bool isDone = call.Answered <= time;
            bool isStable = isDone && (call.IsForced || call.Answered < newestFlush);
            if (isStable || (isDone && loss == Loss.Process))
                Apply(disk, call);
            else if (loss != Loss.PowerAndCaches)
                ApplySome(disk, call, chance);
        }

        return disk;
    }

    private static void Apply(SparseDisk disk, DiskCall call)
    {
        DiskResult result = call.Kind switch
        {
            DiskCallKind.Write => disk.Write(call.Offset, call.Data, forceUnitAccess: false),
            DiskCallKind.Zeroes => disk.WriteZeroes(call.Offset, call.Length, mayPunchHole: true, fastOnly: false),
            DiskCallKind.Extend => disk.Extend(call.Offset, call.Data),
            _ => DiskResult.Ok,
        };
        Check.That(result.IsOk);
    }

    private static void ApplySome(SparseDisk disk, DiskCall call, Prng chance)
    {
        int kind = chance.Below(8);
        if (call.Kind is DiskCallKind.Flush || kind < 2)
            return;

        // An extension comes with its tail, or not.
        if (kind < 4 || call.Kind == DiskCallKind.Extend)
        {
            Apply(disk, call);
            return;
        }

        int piece = kind < 6 ? Block.Size : BlockContent.SectorBytes;
        for (long at = 0; at < call.Length;)
        {
            long length = Math.Min(piece - (call.Offset + at) % piece, call.Length - at);
            if (chance.OneIn(2))
            {
                DiskResult result = call.Kind == DiskCallKind.Write
                    ? disk.Write(call.Offset + at, call.Data.AsSpan((int)at, (int)length), forceUnitAccess: false)
                    : disk.WriteZeroes(call.Offset + at, length, mayPunchHole: true, fastOnly: false);
                Check.That(result.IsOk);
            }

            at += length;

            // Of a long range one more decision a block would say nothing new.
            if (call.Length > 4 << 20)
                piece = 1 << 20;
        }
    }
}
