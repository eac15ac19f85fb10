using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Numerics;
using BlockRepl.Primitives;

namespace BlockRepl.Format;

/// <summary>
/// Encodes and decodes a superblock copy, and chooses between two. The first 16 bytes (magic, version, CRC) and the rule
/// that the CRC covers all 4096 bytes hold for every version, so that a later version can be named, not guessed (G15).
/// </summary>
public static class SuperblockCodec
{
    /// <summary>The oldest format version that this program reads, and writes where it is there.</summary>
    public const uint OldestVersion = 1;

    /// <summary>The newest format version that this program reads and writes: what <c>create-md</c> makes and <c>upgrade-md</c> upgrades to (docs/disk-format.md).</summary>
    public const uint NewestVersion = 2;

    private const ulong Magic = 0x5045_524B_434F_4C42; // "BLOCKREP"
    private const int VersionAt = 8;
    private const int CrcAt = 12;
    private const int SequenceAt = 16;
    private const int DeviceIdAt = 24;
    private const int DataBytesAt = 32;
    private const int AgreedBytesAt = 40;
    private const int ExtentsAt = 48;
    private const int ExtentBytesAt = 52;
    private const int FlagsAt = 56;
    private const int KindAt = 60;
    private const int PeerSlotsAt = 61;
    private const int HistoryCountAt = 62;
    private const int BootIdAt = 64;
    private const int CurrentAt = 80;
    private const int ReservedAt = 88;
    private const int ResourceNameAt = 128;
    private const int VolumeNameAt = 256;
    private const int NodeNameAt = 384;
    private const int NameField = 128;
    private const int HistoryAt = 512;
    private const int HistoryEnd = 1024;
    private const int PeersAt = 1024;
    private const int PeerField = 256;
    private const int PeerGenerationAt = 128;
    private const int PeerFlagsAt = 136;
    private const int PeerSinceAt = 144;
    private const int PeersEnd = PeersAt + Superblock.PeerSlotsMax * PeerField;

    private const SuperblockFlags KnownFlags =
        SuperblockFlags.Consistent | SuperblockFlags.WasUpToDate | SuperblockFlags.Outdated
        | SuperblockFlags.PrimaryIndicator | SuperblockFlags.CrashedPrimary | SuperblockFlags.CleanShutdown
        | SuperblockFlags.LostPower;

    private const PeerSlotFlags KnownPeerFlags =
        PeerSlotFlags.FullSync | PeerSlotFlags.PeerOutdated | PeerSlotFlags.WasConnected | PeerSlotFlags.PeerFencing;

    private const PeerSlotFlags PeerFlagsSince2 = PeerSlotFlags.PrimaryAtSplit | PeerSlotFlags.AnsweredEarly | PeerSlotFlags.SyncPaused
        | PeerSlotFlags.OneHistory | PeerSlotFlags.TookOver;

    /// <summary>
    /// Fills <paramref name="destination"/> (4096 bytes). A superblock that could not be read back is a bug and checked here.
    /// </summary>
    public static void Encode(Superblock superblock, ulong writeSequence, Span<byte> destination)
    {
        Check.That(destination.Length == MetadataLayout.SuperblockBytes);
        destination.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[VersionAt..], superblock.Version);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[SequenceAt..], writeSequence);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[DeviceIdAt..], superblock.DeviceId);
        BinaryPrimitives.WriteInt64LittleEndian(destination[DataBytesAt..], superblock.DataBytes);
        BinaryPrimitives.WriteInt64LittleEndian(destination[AgreedBytesAt..], superblock.AgreedBytes);
        BinaryPrimitives.WriteInt32LittleEndian(destination[ExtentsAt..], superblock.ActivityLogExtents);
        BinaryPrimitives.WriteInt32LittleEndian(destination[ExtentBytesAt..], superblock.ActivityLogExtentBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[FlagsAt..], (uint)superblock.Flags);
        destination[KindAt] = (byte)superblock.Kind;
        destination[PeerSlotsAt] = checked((byte)superblock.Peers.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[HistoryCountAt..], checked((ushort)superblock.History.Length));
        Check.That(superblock.BootId.TryWriteBytes(destination.Slice(BootIdAt, 16), bigEndian: true, out _));
        BinaryPrimitives.WriteUInt64LittleEndian(destination[CurrentAt..], superblock.Current.Value);
        FormatName.Write(destination.Slice(ResourceNameAt, NameField), superblock.ResourceName, Superblock.NameBytesMax);
        FormatName.Write(destination.Slice(VolumeNameAt, NameField), superblock.VolumeName, Superblock.NameBytesMax);
        FormatName.Write(destination.Slice(NodeNameAt, NameField), superblock.NodeName, Superblock.NodeNameBytesMax);
        Check.That(superblock.History.Length <= Superblock.HistoryMax && superblock.Peers.Length <= Superblock.PeerSlotsMax);
        for (int i = 0; i < superblock.History.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(destination[(HistoryAt + i * sizeof(ulong))..], superblock.History[i].Value);
        for (int i = 0; i < superblock.Peers.Length; i++)
        {
            PeerSlot peer = superblock.Peers[i];
            Span<byte> field = destination.Slice(PeersAt + i * PeerField, PeerField);
            FormatName.Write(field[..NameField], peer.NodeName, Superblock.NodeNameBytesMax);
            BinaryPrimitives.WriteUInt64LittleEndian(field[PeerGenerationAt..], peer.BitmapGeneration.Value);
            if (superblock.Version >= 2)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(field[PeerFlagsAt..], (uint)peer.Flags);
                BinaryPrimitives.WriteInt64LittleEndian(field[PeerSinceAt..], peer.BitmapSinceMs);
            }
            else
            {
                BinaryPrimitives.WriteUInt32LittleEndian(field[PeerFlagsAt..], (uint)(peer.Flags & ~PeerFlagsSince2));
            }
        }

        BinaryPrimitives.WriteUInt32LittleEndian(destination[CrcAt..], FormatCrc.Compute(destination, CrcAt));
        Check.That(superblock.Version is >= OldestVersion and <= NewestVersion && Parse(destination, superblock.Version) is not null, "a superblock that cannot be read back");
    }

    /// <summary>Decodes one copy.</summary>
    public static SuperblockRead Decode(ReadOnlySpan<byte> source)
    {
        if (source.Length != MetadataLayout.SuperblockBytes)
            return new SuperblockRead(SuperblockError.WrongLength, null, 0, 0);
        if (BinaryPrimitives.ReadUInt64LittleEndian(source) != Magic)
        {
            return new SuperblockRead(
                source.ContainsAnyExcept((byte)0) ? SuperblockError.BadMagic : SuperblockError.Blank, null, 0, 0);
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(source[CrcAt..]) != FormatCrc.Compute(source, CrcAt) && !Canary.TornSuperblockTaken)
            return new SuperblockRead(SuperblockError.BadChecksum, null, 0, 0);
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(source[VersionAt..]);
        if (version is < OldestVersion or > NewestVersion)
            return new SuperblockRead(SuperblockError.UnknownVersion, null, 0, version);
        Superblock? superblock = Parse(source, version);
        return superblock is null
            ? new SuperblockRead(SuperblockError.Malformed, null, 0, version)
            : new SuperblockRead(SuperblockError.None, superblock, BinaryPrimitives.ReadUInt64LittleEndian(source[SequenceAt..]), version);
    }

    /// <summary>
    /// Chooses between two copies: the intact one with the greater write sequence. An intact copy of an unknown version
    /// rules both out, because it may be the newer one (G15).
    /// </summary>
    public static SuperblockChoice Choose(ReadOnlySpan<byte> copy0, ReadOnlySpan<byte> copy1) =>
        Choose(Decode(copy0), Decode(copy1));

    /// <inheritdoc cref="Choose(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>
    public static SuperblockChoice Choose(SuperblockRead copy0, SuperblockRead copy1)
    {
        if (copy0.Error == SuperblockError.UnknownVersion || copy1.Error == SuperblockError.UnknownVersion)
            return new SuperblockChoice(SuperblockError.UnknownVersion, null, 0, 0, copy0, copy1);
        if (copy0.Error != SuperblockError.None && copy1.Error != SuperblockError.None)
            return new SuperblockChoice(MoreTelling(copy0.Error, copy1.Error), null, 0, 0, copy0, copy1);
        bool takeFirst = copy1.Error != SuperblockError.None
            || (copy0.Error == SuperblockError.None && copy0.WriteSequence >= copy1.WriteSequence);
        SuperblockRead chosen = takeFirst ? copy0 : copy1;
        return new SuperblockChoice(
            SuperblockError.None, chosen.Superblock, chosen.WriteSequence, takeFirst ? 0 : 1, copy0, copy1);
    }

    /// <summary>Damage says more than "something else is there", and that more than "nothing is there".</summary>
    private static SuperblockError MoreTelling(SuperblockError a, SuperblockError b)
    {
        ReadOnlySpan<SuperblockError> order =
            [SuperblockError.Malformed, SuperblockError.BadChecksum, SuperblockError.BadMagic, SuperblockError.WrongLength];
        foreach (SuperblockError error in order)
        {
            if (a == error || b == error)
                return error;
        }

        return SuperblockError.Blank;
    }

    /// <summary>The content, or null if a field holds what this version never writes.</summary>
    private static Superblock? Parse(ReadOnlySpan<byte> source, uint version)
    {
        long dataBytes = BinaryPrimitives.ReadInt64LittleEndian(source[DataBytesAt..]);
        long agreedBytes = BinaryPrimitives.ReadInt64LittleEndian(source[AgreedBytesAt..]);
        int extents = BinaryPrimitives.ReadInt32LittleEndian(source[ExtentsAt..]);
        int extentBytes = BinaryPrimitives.ReadInt32LittleEndian(source[ExtentBytesAt..]);
        var flags = (SuperblockFlags)BinaryPrimitives.ReadUInt32LittleEndian(source[FlagsAt..]);
        var kind = (MetadataKind)source[KindAt];
        if (dataBytes is <= 0 or > Superblock.DataBytesMax || agreedBytes < 0 || agreedBytes > dataBytes
            || extents is < Superblock.ActivityLogExtentsMin or > Superblock.ActivityLogExtentsMax
            || extentBytes < Block.Size || !BitOperations.IsPow2(extentBytes)
            || (flags & ~KnownFlags) != 0
            || kind is not (MetadataKind.Internal or MetadataKind.External)
            || source[ReservedAt..ResourceNameAt].ContainsAnyExcept((byte)0)
            || source[PeersEnd..].ContainsAnyExcept((byte)0))
        {
            return null;
        }

        if (FormatName.Read(source.Slice(ResourceNameAt, NameField), Superblock.NameBytesMax) is not { Length: > 0 } resourceName
            || FormatName.Read(source.Slice(VolumeNameAt, NameField), Superblock.NameBytesMax) is not { Length: > 0 } volumeName
            || FormatName.Read(source.Slice(NodeNameAt, NameField), Superblock.NodeNameBytesMax) is not { Length: > 0 } nodeName
            || ParseHistory(source) is not { } history
            || ParsePeers(source, version) is not { } peers)
        {
            return null;
        }

        return new Superblock
        {
            Version = version,
            ResourceName = resourceName,
            VolumeName = volumeName,
            NodeName = nodeName,
            DeviceId = BinaryPrimitives.ReadUInt64LittleEndian(source[DeviceIdAt..]),
            Kind = kind,
            DataBytes = dataBytes,
            AgreedBytes = agreedBytes,
            ActivityLogExtents = extents,
            ActivityLogExtentBytes = extentBytes,
            Current = new GenerationId(BinaryPrimitives.ReadUInt64LittleEndian(source[CurrentAt..])),
            History = history,
            Flags = flags,
            BootId = new Guid(source.Slice(BootIdAt, 16), bigEndian: true),
            Peers = peers,
        };
    }

    private static ImmutableArray<GenerationId>? ParseHistory(ReadOnlySpan<byte> source)
    {
        int count = BinaryPrimitives.ReadUInt16LittleEndian(source[HistoryCountAt..]);
        if (count > Superblock.HistoryMax || source[(HistoryAt + count * sizeof(ulong))..HistoryEnd].ContainsAnyExcept((byte)0))
            return null;
        ImmutableArray<GenerationId>.Builder history = ImmutableArray.CreateBuilder<GenerationId>(count);
        for (int i = 0; i < count; i++)
        {
            var id = new GenerationId(BinaryPrimitives.ReadUInt64LittleEndian(source[(HistoryAt + i * sizeof(ulong))..]));
            if (id.IsNone)
                return null;
            history.Add(id);
        }

        return history.MoveToImmutable();
    }

    private static ImmutableArray<PeerSlot>? ParsePeers(ReadOnlySpan<byte> source, uint version)
    {
        int count = source[PeerSlotsAt];
        if (count is < 1 or > Superblock.PeerSlotsMax
            || source[(PeersAt + count * PeerField)..PeersEnd].ContainsAnyExcept((byte)0))
        {
            return null;
        }

        ImmutableArray<PeerSlot>.Builder peers = ImmutableArray.CreateBuilder<PeerSlot>(count);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> field = source.Slice(PeersAt + i * PeerField, PeerField);
            var flags = (PeerSlotFlags)BinaryPrimitives.ReadUInt32LittleEndian(field[PeerFlagsAt..]);
            PeerSlotFlags known = version >= 2 ? KnownPeerFlags | PeerFlagsSince2 : KnownPeerFlags;
            long since = version >= 2 ? BinaryPrimitives.ReadInt64LittleEndian(field[PeerSinceAt..]) : 0;
            if (FormatName.Read(field[..NameField], Superblock.NodeNameBytesMax) is not { } name
                || (flags & ~known) != 0 || since < 0
                || field[(PeerFlagsAt + sizeof(uint))..PeerSinceAt].ContainsAnyExcept((byte)0)
                || field[(version >= 2 ? PeerSinceAt + sizeof(long) : PeerSinceAt)..].ContainsAnyExcept((byte)0))
            {
                return null;
            }

            peers.Add(new PeerSlot(name, new GenerationId(BinaryPrimitives.ReadUInt64LittleEndian(field[PeerGenerationAt..])), flags)
            {
                BitmapSinceMs = since,
            });
        }

        return peers.MoveToImmutable();
    }
}
