using System.Buffers.Binary;
using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>
/// One copy of an activity log transaction: the whole table of active extents. Encode and decode; where copies stand is
/// <see cref="MetadataLayout"/>'s matter.
/// </summary>
public static class ActivityLogCodec
{
    /// <summary>Bytes before the table.</summary>
    public const int HeaderBytes = 64;

    /// <summary>Version of the format.</summary>
    public const uint Version = 1;

    /// <summary>An empty place in the table.</summary>
    public const uint EmptySlot = uint.MaxValue;

    private const uint Magic = 0x4C41_5242; // "BRAL"
    private const int VersionAt = 4;
    private const int CrcAt = 8;
    private const int SlotsAt = 12;
    private const int TransactionAt = 16;
    private const int DeviceIdAt = 24;
    private const int ReservedAt = 32;

    /// <summary>
    /// Fills <paramref name="destination"/> (exactly <see cref="MetadataLayout.ActivityLogBytesFor"/> bytes).
    /// <paramref name="slots"/> is the whole table, empty places as <see cref="EmptySlot"/>.
    /// </summary>
    public static void Encode(ulong deviceId, ulong transaction, ReadOnlySpan<uint> slots, Span<byte> destination)
    {
        Check.That(destination.Length == MetadataLayout.ActivityLogBytesFor(slots.Length));
        destination.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[VersionAt..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(destination[SlotsAt..], slots.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[TransactionAt..], transaction);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[DeviceIdAt..], deviceId);
        for (int i = 0; i < slots.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(destination[(HeaderBytes + i * sizeof(uint))..], slots[i]);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[CrcAt..], FormatCrc.Compute(destination, CrcAt));
    }

    /// <summary>
    /// Decodes one copy into <paramref name="slots"/>, whose length is the number of places that the metadata has. On an
    /// error <paramref name="slots"/> is untouched.
    /// </summary>
    public static ActivityLogError TryDecode(
        ReadOnlySpan<byte> source, ulong deviceId, Span<uint> slots, out ulong transaction)
    {
        ActivityLogError error = TryReadHeader(source, deviceId, slots.Length, out transaction);
        if (error != ActivityLogError.None)
            return error;
        for (int i = 0; i < slots.Length; i++)
            slots[i] = BinaryPrimitives.ReadUInt32LittleEndian(source[(HeaderBytes + i * sizeof(uint))..]);
        return ActivityLogError.None;
    }

    /// <summary>
    /// Finds the newest intact transaction among <paramref name="ring"/>, all copies of all places in a row, each
    /// <see cref="MetadataLayout.ActivityLogBytesFor"/> bytes. Tells which copy it is and how many copies were damaged
    /// (blank and foreign ones do not count).
    /// </summary>
    public static ActivityLogChoice ChooseNewest(ReadOnlySpan<byte> ring, ulong deviceId, int slotCount)
    {
        int size = MetadataLayout.ActivityLogBytesFor(slotCount);
        Check.That(ring.Length > 0 && ring.Length % size == 0, "not a whole number of transactions");
        ActivityLogChoice best = new(-1, 0, 0, 0);
        int damaged = 0;
        int unknownVersion = 0;
        for (int i = 0; i < ring.Length / size; i++)
        {
            ActivityLogError error = TryReadHeader(ring.Slice(i * size, size), deviceId, slotCount, out ulong transaction);
            if (error == ActivityLogError.None)
            {
                if (best.Index < 0 || transaction > best.Transaction)
                    best = best with { Index = i, Transaction = transaction };
            }
            else if (error == ActivityLogError.UnknownVersion)
            {
                unknownVersion++;
            }
            else if (error is ActivityLogError.BadChecksum or ActivityLogError.Malformed or ActivityLogError.BadMagic)
            {
                damaged++;
            }
        }

        return best with { DamagedCopies = damaged, UnknownVersionCopies = unknownVersion };
    }

    private static ActivityLogError TryReadHeader(
        ReadOnlySpan<byte> source, ulong deviceId, int slotCount, out ulong transaction)
    {
        transaction = 0;
        if (source.Length != MetadataLayout.ActivityLogBytesFor(slotCount))
            return ActivityLogError.WrongLength;
        if (BinaryPrimitives.ReadUInt32LittleEndian(source) != Magic)
            return source.ContainsAnyExcept((byte)0) ? ActivityLogError.BadMagic : ActivityLogError.Blank;
        if (BinaryPrimitives.ReadUInt32LittleEndian(source[CrcAt..]) != FormatCrc.Compute(source, CrcAt) && !Canary.TornLogTaken)
            return ActivityLogError.BadChecksum;
        if (BinaryPrimitives.ReadUInt32LittleEndian(source[VersionAt..]) != Version)
            return ActivityLogError.UnknownVersion;
        if (BinaryPrimitives.ReadUInt64LittleEndian(source[DeviceIdAt..]) != deviceId)
            return ActivityLogError.OtherDevice;
        if (BinaryPrimitives.ReadInt32LittleEndian(source[SlotsAt..]) != slotCount
            || source[ReservedAt..HeaderBytes].ContainsAnyExcept((byte)0)
            || source[(HeaderBytes + slotCount * sizeof(uint))..].ContainsAnyExcept((byte)0))
            return ActivityLogError.Malformed;
        transaction = BinaryPrimitives.ReadUInt64LittleEndian(source[TransactionAt..]);
        return ActivityLogError.None;
    }
}
