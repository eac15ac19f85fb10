using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>What a resync is to copy: the marks of both sides, within what the pair serves.</summary>
internal static class SourceMarks
{
    /// <summary>The target's marks, joined with this node's own.</summary>
    public static void Merge(PeerVolume peerVolume, BitmapPartMessage part)
    {
        long block = checked((long)part.FirstBlock);
        bool set = false;
        foreach (ulong run in part.Runs)
        {
            long count = Math.Min(checked((long)run), peerVolume.Bitmap!.BlockCount - block);
            if (set && count > 0 && !Canary.TargetsMarksIgnored)
                peerVolume.Bitmap.Set(block, count);
            block += count;
            set = !set;
        }
    }

    /// <summary>The bitmap covers this node's whole disk, the pair may serve less of it: what lies beyond is never copied, so a mark there would never be cleared.</summary>
    public static void ForgetBeyondEnd(PeerVolume peerVolume)
    {
        long served = Math.Min(Block.CountFor(peerVolume.Volume.SizeBytes), peerVolume.Bitmap!.BlockCount);
        peerVolume.Bitmap.Clear(served, peerVolume.Bitmap.BlockCount - served);
    }
}
