using System.Runtime.CompilerServices;

namespace BlockRepl.Device;

/// <summary>The precondition of every call: the range lies within the device.</summary>
internal static class DeviceRange
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Check(IBlockDevice device, long offset, long length)
    {
        long size = device.SizeBytes;
        Primitives.Check.That(offset >= 0 && length >= 0 && offset <= size && length <= size - offset, "range beyond the device");
    }
}
