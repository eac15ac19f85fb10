using BlockRepl.Primitives;

namespace BlockRepl.Fuzz.Engine;

/// <summary>Ways to spoil bytes, and to draw numbers that are likely to be wrong.</summary>
internal static class FuzzChance
{
    private static readonly ulong[] Edges =
    [
        0, 1, 2, 7, 8, 127, 128, 255, 256, 511, 512, 4095, 4096, 4097, 65535, 65536, 1 << 20, (1 << 22) - 1, 1 << 22, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32,
        1UL << 40, long.MaxValue - 4095, long.MaxValue, 1UL << 63, ulong.MaxValue - 1, ulong.MaxValue,
    ];

    /// <summary>A number at an edge, near one, small, or any.</summary>
    public static ulong Number(this Prng chance) => chance.Below(5) switch
    {
        0 => Edges[chance.Below(Edges.Length)],
        1 => Edges[chance.Below(Edges.Length)] + (ulong)chance.Below(5) - 2,
        2 => (ulong)chance.Below(16),
        3 => (ulong)chance.Below(1 << 24),
        _ => chance.NextUInt64() >> chance.Below(64),
    };

    public static byte[] Bytes(this Prng chance, int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
            bytes[i] = (byte)chance.NextUInt64();
        return bytes;
    }

    public static T Pick<T>(this Prng chance, IReadOnlyList<T> from) => from[chance.Below(from.Count)];

    /// <summary>A copy with a few bytes changed, cut out, put in, doubled, or cut off.</summary>
    public static byte[] Spoil(this Prng chance, ReadOnlySpan<byte> bytes)
    {
        List<byte> spoilt = [.. bytes];
        for (int left = 1 + chance.Below(4); left > 0 && spoilt.Count > 0; left--)
        {
            int at = chance.Below(spoilt.Count);
            int length = Math.Min(1 + chance.Below(16), spoilt.Count - at);
            switch (chance.Below(8))
            {
                case 0:
                    spoilt[at] = (byte)chance.NextUInt64();
                    break;
                case 1:
                    spoilt[at] ^= (byte)(1 << chance.Below(8));
                    break;
                case 2:
                    spoilt.RemoveRange(at, length);
                    break;
                case 3:
                    spoilt.InsertRange(at, chance.Bytes(length));
                    break;
                case 4:
                    spoilt.InsertRange(at, spoilt.GetRange(at, length));
                    break;
                case 5:
                    spoilt.RemoveRange(at, spoilt.Count - at);
                    break;
                case 6:
                    WriteNumber(spoilt, at, chance.Number(), 1 << chance.Below(4), isBig: chance.OneIn(2));
                    break;
                default:
                    spoilt[at] = chance.OneIn(2) ? (byte)0 : (byte)0xFF;
                    break;
            }
        }

        return [.. spoilt];
    }

    private static void WriteNumber(List<byte> bytes, int at, ulong number, int size, bool isBig)
    {
        Check.That(size <= 8);
        for (int i = 0; i < size && at + i < bytes.Count; i++)
            bytes[at + i] = (byte)(number >> (8 * (isBig ? size - 1 - i : i)));
    }
}
