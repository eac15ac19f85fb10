using System.Runtime.CompilerServices;
using System.Text;
using BlockRepl.Primitives;

namespace BlockRepl.Format.Tests;

/// <summary>G15: the bytes of a version never change. A difference here is a new format version, not a new file.</summary>
public sealed class PinnedBytesTests
{
    [Fact]
    public void Superblock_version_1() => Compare("superblock.v1.hex", Samples.Encoded(Samples.Fixed with { Version = 1 }, 42));

    [Fact]
    public void Superblock_version_2() => Compare("superblock.v2.hex", Samples.Encoded(
        Samples.Fixed.WithPeer(0, Samples.Fixed.Peers[0] with { BitmapSinceMs = 1_795_000_000_123, Flags = PeerSlotFlags.WasConnected | PeerSlotFlags.PrimaryAtSplit }) with { Version = 2 }, 42));

    [Fact]
    public void Activity_log_version_1()
    {
        uint[] slots = new uint[67];
        Array.Fill(slots, ActivityLogCodec.EmptySlot);
        slots[0] = 0;
        slots[5] = 0x01020304;
        slots[66] = 17;
        byte[] bytes = new byte[MetadataLayout.ActivityLogBytesFor(slots.Length)];
        ActivityLogCodec.Encode(0x0123_4567_89AB_CDEF, 0x1_0000_0002, slots, bytes);
        Compare("activity-log.v1.hex", bytes);
    }

    [Fact]
    public void Bitmap_block_version_1()
    {
        var bitmap = new DirtyBitmap(40_000);
        bitmap.Set(32_640, 1);
        bitmap.Set(32_650, 100);
        bitmap.Set(39_999, 1);
        byte[] bytes = new byte[Block.Size];
        BitmapBlockCodec.Encode(0x0123_4567_89AB_CDEF, 3, 1, bitmap, bytes);
        Compare("bitmap-block.v1.hex", bytes);
    }

    private static void Compare(string name, byte[] bytes)
    {
        string expected = File.ReadAllText(Path.Combine(Folder(), name));
        Assert.Equal(expected, Dump(bytes));
    }

    /// <summary>16 bytes a line with their offset; lines of zeroes are left out.</summary>
    private static string Dump(byte[] bytes)
    {
        var text = new StringBuilder();
        for (int at = 0; at < bytes.Length; at += 16)
        {
            ReadOnlySpan<byte> line = bytes.AsSpan(at, 16);
            if (line.ContainsAnyExcept((byte)0))
                text.Append(at.ToString("x4", null)).Append(": ").Append(Convert.ToHexStringLower(line)).Append('\n');
        }

        return text.Append(bytes.Length.ToString("x4", null)).Append('\n').ToString();
    }

    private static string Folder([CallerFilePath] string path = "") => Path.Combine(Path.GetDirectoryName(path)!, "Pinned");
}
