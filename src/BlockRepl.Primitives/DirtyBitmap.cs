using System.Numerics;
using System.Runtime.CompilerServices;

namespace BlockRepl.Primitives;

/// <summary>
/// Which blocks of a volume may differ from one peer's (DRBD: quick-sync bitmap): one bit per <see cref="Block.Size"/>
/// bytes, 1 for out-of-sync. Knows at all times how many bits are set.
/// </summary>
/// <remarks>
/// Not thread-safe: the owner's gate protects it. Nothing here allocates after construction. Bits beyond
/// <see cref="BlockCount"/> in the last word are always zero.
/// </remarks>
public sealed class DirtyBitmap
{
    private const int WordShift = 6;
    private const int WordBits = 1 << WordShift;

    /// <summary>Most blocks that a bitmap can have: those of 256 TiB, which take 8 GiB of bits.</summary>
    public const long BlockCountMax = 1L << 36;

    private readonly ulong[] _words;

    /// <param name="blockCount">Blocks of the volume, the last one possibly partial; all start clear.</param>
    public DirtyBitmap(long blockCount)
    {
        Check.That(blockCount is >= 0 and <= BlockCountMax, "bitmap size out of range");
        BlockCount = blockCount;
        _words = new ulong[(blockCount + WordBits - 1) >> WordShift];
    }

    /// <summary>How many blocks the volume has.</summary>
    public long BlockCount { get; }

    /// <summary>How many blocks are set.</summary>
    public long SetCount { get; private set; }

    /// <summary>The bits, 64 a word, lowest block in the lowest bit.</summary>
    public ReadOnlySpan<ulong> Words => _words;

    /// <summary>Whether <paramref name="block"/> is set.</summary>
    public bool IsSet(long block)
    {
        Check.That((ulong)block < (ulong)BlockCount);
        return (_words[block >> WordShift] >> (int)(block & (WordBits - 1)) & 1) != 0;
    }

    /// <summary>Sets <paramref name="count"/> blocks from <paramref name="first"/> on; returns how many were clear before.</summary>
    public long Set(long first, long count)
    {
        CheckRange(first, count);
        if (count == 0)
            return 0;
        (int firstWord, int lastWord, ulong firstMask, ulong lastMask) = Masks(first, count);
        long changed = 0;
        for (int i = firstWord; i <= lastWord; i++)
        {
            ulong mask = MaskFor(i, firstWord, lastWord, firstMask, lastMask);
            changed += BitOperations.PopCount(mask & ~_words[i]);
            _words[i] |= mask;
        }

        SetCount += changed;
        return changed;
    }

    /// <summary>Clears <paramref name="count"/> blocks from <paramref name="first"/> on; returns how many were set before.</summary>
    public long Clear(long first, long count)
    {
        CheckRange(first, count);
        if (count == 0)
            return 0;
        (int firstWord, int lastWord, ulong firstMask, ulong lastMask) = Masks(first, count);
        long changed = 0;
        for (int i = firstWord; i <= lastWord; i++)
        {
            ulong mask = MaskFor(i, firstWord, lastWord, firstMask, lastMask);
            changed += BitOperations.PopCount(mask & _words[i]);
            _words[i] &= ~mask;
        }

        SetCount -= changed;
        return changed;
    }

    /// <summary>How many of <paramref name="count"/> blocks from <paramref name="first"/> on are set.</summary>
    public long CountSet(long first, long count)
    {
        CheckRange(first, count);
        if (count == 0)
            return 0;
        (int firstWord, int lastWord, ulong firstMask, ulong lastMask) = Masks(first, count);
        long sum = 0;
        for (int i = firstWord; i <= lastWord; i++)
            sum += BitOperations.PopCount(_words[i] & MaskFor(i, firstWord, lastWord, firstMask, lastMask));
        return sum;
    }

    /// <summary>How many blocks from <paramref name="first"/> on are set without a gap, counting at most <paramref name="max"/>.</summary>
    public long CountRun(long first, long max)
    {
        Check.That((ulong)first < (ulong)BlockCount);
        long end = Math.Min(BlockCount, first + max);
        long block = first;
        while (block < end)
        {
            // From the lowest bit on: the clear bits of the word, moved down to the block in question.
            ulong clear = ~_words[block >> WordShift] >> (int)(block & (WordBits - 1));
            if (clear != 0)
                return Math.Min(end, block + BitOperations.TrailingZeroCount(clear)) - first;
            block = (block | (WordBits - 1)) + 1;
        }

        return end - first;
    }

    /// <summary>The first set block at or after <paramref name="from"/>, or -1.</summary>
    public long FindNextSet(long from)
    {
        Check.That(from >= 0);
        return SetCount == 0 ? -1 : FindNext(from, 0);
    }

    /// <summary>The first clear block at or after <paramref name="from"/>, or -1.</summary>
    public long FindNextClear(long from)
    {
        Check.That(from >= 0);
        return SetCount == BlockCount ? -1 : FindNext(from, ulong.MaxValue);
    }

    /// <summary>Sets every block.</summary>
    public void SetAll()
    {
        Array.Fill(_words, ulong.MaxValue);
        if (_words.Length > 0)
            _words[^1] = TailMask;
        SetCount = BlockCount;
    }

    /// <summary>Clears every block.</summary>
    public void ClearAll()
    {
        Array.Clear(_words);
        SetCount = 0;
    }

    /// <summary>Sets every block that is set in <paramref name="other"/>, which must have the same block count.</summary>
    public void Or(DirtyBitmap other)
    {
        Check.That(other.BlockCount == BlockCount, "bitmaps of different volumes");
        OrWords(0, other._words);
    }

    /// <summary>
    /// Sets every block that is set in <paramref name="words"/>, the first of which stands at word
    /// <paramref name="firstWord"/>. Bits beyond <see cref="BlockCount"/> are ignored.
    /// </summary>
    public void OrWords(int firstWord, ReadOnlySpan<ulong> words)
    {
        Check.That(firstWord >= 0 && firstWord <= _words.Length - words.Length, "words beyond the bitmap");
        long changed = 0;
        for (int i = 0; i < words.Length; i++)
        {
            int at = firstWord + i;
            ulong word = at == _words.Length - 1 ? words[i] & TailMask : words[i];
            changed += BitOperations.PopCount(word & ~_words[at]);
            _words[at] |= word;
        }

        SetCount += changed;
    }

    /// <summary>A larger bitmap with the same bits; what it has more is clear. This one may be changed meanwhile: a bit that is set then may be missing.</summary>
    public DirtyBitmap Grown(long blockCount)
    {
        Check.That(blockCount >= BlockCount, "a bitmap grows");
        var grown = new DirtyBitmap(blockCount);
        grown.OrWords(0, _words);
        return grown;
    }

    private ulong TailMask
    {
        get
        {
            int used = (int)(BlockCount & (WordBits - 1));
            return used == 0 ? ulong.MaxValue : (1UL << used) - 1;
        }
    }

    /// <summary>Finds the next bit that is 1 after <paramref name="invert"/> was applied.</summary>
    private long FindNext(long from, ulong invert)
    {
        if (from >= BlockCount)
            return -1;
        int word = (int)(from >> WordShift);
        ulong bits = (_words[word] ^ invert) & (ulong.MaxValue << (int)(from & (WordBits - 1)));
        while (bits == 0)
        {
            if (++word == _words.Length)
                return -1;
            bits = _words[word] ^ invert;
        }

        long found = ((long)word << WordShift) + BitOperations.TrailingZeroCount(bits);
        // Only a search for clear bits can land in the unused end of the last word.
        return found < BlockCount ? found : -1;
    }

    private void CheckRange(long first, long count) =>
        Check.That(first >= 0 && count >= 0 && first <= BlockCount && count <= BlockCount - first, "blocks beyond the bitmap");

    private static (int FirstWord, int LastWord, ulong FirstMask, ulong LastMask) Masks(long first, long count)
    {
        long last = first + count - 1;
        return (
            (int)(first >> WordShift),
            (int)(last >> WordShift),
            ulong.MaxValue << (int)(first & (WordBits - 1)),
            ulong.MaxValue >> (WordBits - 1 - (int)(last & (WordBits - 1))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong MaskFor(int word, int firstWord, int lastWord, ulong firstMask, ulong lastMask) =>
        (word == firstWord ? firstMask : ulong.MaxValue) & (word == lastWord ? lastMask : ulong.MaxValue);
}
