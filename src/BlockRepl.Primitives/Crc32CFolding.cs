using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockRepl.Primitives;

/// <summary>
/// CRC-32C by carry-less multiplication of 512 bits at once, after Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009). It reads straight ahead,
/// as the processor's prefetching likes it; a CRC instruction in lanes does not, and is slower on data that another processor has just written. Thread-safe; allocates nothing.
/// </summary>
/// <remarks>
/// A vector's lowest bit is its highest power of x. 128 bits are moved D bits on by multiplying their two halves with powers of x modulo the polynomial; the halves of a product are one bit apart from where they
/// belong, hence the odd exponents.
/// </remarks>
internal static class Crc32CFolding
{
    /// <summary>What one step takes; only multiples of it can be taken.</summary>
    public const int StepBytes = 4 * 64;

    private static readonly Vector128<ulong> By128 = Mover(128);
    private static readonly Vector128<ulong> By512 = Mover(512);
    private static readonly Vector128<ulong> By2048 = Mover(2048);

    /// <summary>Whether this processor can.</summary>
    public static bool IsSupported => Pclmulqdq.V512.IsSupported && Avx512F.IsSupported && Sse42.X64.IsSupported;

    /// <summary>Takes <paramref name="bytes"/> bytes, a multiple of <see cref="StepBytes"/> and not none, into a running state.</summary>
    public static uint Update(uint state, ref readonly byte data, int bytes)
    {
        Check.That(bytes > 0 && bytes % StepBytes == 0, "not a whole number of steps");
        ref byte at = ref Unsafe.AsRef(in data);
        ref byte end = ref Unsafe.Add(ref at, bytes);
        Vector512<ulong> mover = Everywhere(By2048);
        Vector512<ulong> a = Load(ref at, 0) ^ Vector512.CreateScalar((ulong)state);
        Vector512<ulong> b = Load(ref at, 1);
        Vector512<ulong> c = Load(ref at, 2);
        Vector512<ulong> d = Load(ref at, 3);
        for (at = ref Unsafe.Add(ref at, StepBytes); Unsafe.IsAddressLessThan(ref at, ref end); at = ref Unsafe.Add(ref at, StepBytes))
        {
            a = Move(a, mover) ^ Load(ref at, 0);
            b = Move(b, mover) ^ Load(ref at, 1);
            c = Move(c, mover) ^ Load(ref at, 2);
            d = Move(d, mover) ^ Load(ref at, 3);
        }

        mover = Everywhere(By512);
        a = Move(a, mover) ^ b;
        a = Move(a, mover) ^ c;
        a = Move(a, mover) ^ d;
        Vector128<ulong> rest = a.GetLower().GetLower();
        rest = Move(rest, By128) ^ a.GetLower().GetUpper();
        rest = Move(rest, By128) ^ a.GetUpper().GetLower();
        rest = Move(rest, By128) ^ a.GetUpper().GetUpper();
        return BitOperations.Crc32C(BitOperations.Crc32C(0, rest.ToScalar()), rest.GetElement(1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Load(ref byte at, nuint nr) => Vector512.LoadUnsafe(ref at, nr * 64).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Move(Vector512<ulong> value, Vector512<ulong> by) =>
        Pclmulqdq.V512.CarrylessMultiply(value, by, 0x00) ^ Pclmulqdq.V512.CarrylessMultiply(value, by, 0x11);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Move(Vector128<ulong> value, Vector128<ulong> by) =>
        Pclmulqdq.CarrylessMultiply(value, by, 0x00) ^ Pclmulqdq.CarrylessMultiply(value, by, 0x11);

    private static Vector512<ulong> Everywhere(Vector128<ulong> value)
    {
        Vector256<ulong> half = Vector256.Create(value, value);
        return Vector512.Create(half, half);
    }

    // The multipliers that move 128 bits on by so many: for the lower half, which has the higher powers, and for the upper one.
    private static Vector128<ulong> Mover(int bits) => Vector128.Create(PowerOfX(bits + 63), PowerOfX(bits - 1));

    // x to that power modulo the polynomial, in the upper half of a word, its lowest bit the highest power.
    private static ulong PowerOfX(int exponent)
    {
        uint power = 0x80000000;
        for (int i = 0; i < exponent; i++)
            power = (power >> 1) ^ (0x82F63B78 & (0 - (power & 1)));
        return (ulong)power << 32;
    }
}
