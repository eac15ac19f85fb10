using System.Globalization;
using BlockRepl.Daemon.Control;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>
/// Reads every copy of everything in a volume's metadata with the codecs that an attach uses, and says of each what it holds or what is wrong with it. Refuses nothing,
/// changes nothing. Not thread-safe; one use.
/// </summary>
internal sealed class MetadataInspector(VolumePlace place, MetadataSource disk, MetadataSource? metadataDevice)
{
    private readonly MetadataSource _device = metadataDevice ?? disk;
    private readonly MetadataKind _kind = metadataDevice is null ? MetadataKind.Internal : MetadataKind.External;
    // Of a disk whose metadata is being moved to its new end: the size that the metadata that counts was made for.
    private long _diskBytes = disk.SizeBytes;
    private readonly MetadataReport _report = new()
    {
        Volume = place.ToString(),
        Node = place.Node,
        Disk = place.Disk,
        MetaDisk = place.MetaDisk,
    };

    /// <summary>The superblock that counts, after <see cref="Inspect"/>; null if none is intact.</summary>
    public Superblock? Superblock { get; private set; }

    /// <summary>Looks at everything. Null if there never was metadata: neither copy's place holds anything of ours.</summary>
    public MetadataReport? Inspect()
    {
        long offset0 = MetadataLayout.FindSuperblock0(_kind, _device.SizeBytes);
        if (offset0 < 0)
            return null;
        SuperblockChoice choice = ReadSuperblocks(offset0);
        if (metadataDevice is null && FindSignpost(offset0) is { } signpost)
            choice = FollowSignpost(signpost, choice);
        if (choice.Error is SuperblockError.Blank or SuperblockError.BadMagic)
            return null;
        if (choice.Superblock is not { } superblock)
            return _report;
        Superblock = superblock;
        _report.Superblock = Describe(superblock, choice);
        CheckIdentity(superblock);
        if (FindLayout(superblock) is not { } layout)
            return _report;
        _report.Layout = new MetadataReport.Places(
            layout.MetadataOffset, layout.MetadataBytes, layout.ActivityLogOffset, layout.ActivityLogRingBytes, layout.BitmapsOffset,
            layout.BitmapBlocksPerSlot * Block.Size);
        ReadActivityLog(superblock, layout);
        var bitmaps = new BitmapInspector(_device, _report.Problems);
        for (int slot = 0; slot < layout.PeerSlots; slot++)
        {
            if (!superblock.Peers[slot].IsFree)
                _report.Peers.Add(bitmaps.Read(superblock, layout, slot));
        }

        return _report;
    }

    /// <summary>The names of the flags that are set, as the code has them.</summary>
    internal static string[] Names<T>(T flags)
        where T : struct, Enum =>
        [.. Enum.GetValues<T>().Where(flag => !EqualityComparer<T>.Default.Equals(flag, default) && flags.HasFlag(flag)).Select(flag => flag.ToString())];

    private SuperblockChoice ReadSuperblocks(long offset0)
    {
        long[] offsets = [offset0, offset0 + MetadataLayout.SuperblockSpanBytes - MetadataLayout.SuperblockBytes];
        SuperblockRead[] reads = new SuperblockRead[2];
        string[] states = new string[2];
        byte[] bytes = new byte[MetadataLayout.SuperblockBytes];
        for (int copy = 0; copy < 2; copy++)
        {
            DiskResult result = _device.Read(offsets[copy], bytes);
            reads[copy] = result.IsOk ? SuperblockCodec.Decode(bytes) : new SuperblockRead(SuperblockError.BadChecksum, null, 0, 0);
            states[copy] = result.IsOk ? Words(reads[copy]) : $"unreadable: {result}";
        }

        SuperblockChoice choice = SuperblockCodec.Choose(reads[0], reads[1]);
        for (int copy = 0; copy < 2; copy++)
        {
            _report.SuperblockCopies.Add(new MetadataReport.SuperblockCopy(
                offsets[copy], states[copy], reads[copy].WriteSequence, choice.Superblock is not null && choice.Copy == copy));
            if (reads[copy].Error == SuperblockError.None)
                continue;
            bool isSpare = choice.Superblock is not null;
            _report.Problems.Add(new MetadataReport.Problem(
                !isSpare,
                $"superblock copy {copy} at byte {offsets[copy]}",
                isSpare ? $"{states[copy]}; the other copy counts, and the next write mends this one" : states[copy],
                !isSpare));
        }

        return choice;
    }

    private Signpost? FindSignpost(long offset0)
    {
        byte[] block = new byte[Block.Size];
        foreach (long offset in new[] { offset0, offset0 + MetadataLayout.SuperblockSpanBytes - MetadataLayout.SuperblockBytes })
        {
            if (_device.Read(offset, block).IsOk && Signpost.Decode(block) is { } found && found.DiskBytes < disk.SizeBytes)
                return found;
        }

        return null;
    }

    // docs/disk-format.md, "A disk that grows": until the new place is complete the old one counts.
    private SuperblockChoice FollowSignpost(Signpost signpost, SuperblockChoice choice)
    {
        if (choice.Superblock is not null)
        {
            _report.Problems.Add(new MetadataReport.Problem(false, "signpost", "moving the metadata of the grown disk was cut after the new place was complete; the next attach finishes it"));
            return choice;
        }

        _report.SuperblockCopies.Clear();
        _report.Problems.Clear();
        _diskBytes = signpost.DiskBytes;
        _report.Problems.Add(new MetadataReport.Problem(
            false, "signpost", $"the disk has grown from {signpost.DiskBytes} to {disk.SizeBytes} bytes; its metadata is still at the old end: resize moves it"));
        return ReadSuperblocks(MetadataLayout.FindSuperblock0(_kind, _diskBytes));
    }

    private static string Words(SuperblockRead read) => read.Error switch
    {
        SuperblockError.None => "intact",
        SuperblockError.Blank => "blank: nothing was ever written here, or it was wiped",
        SuperblockError.BadMagic => "overwritten: something else stands here",
        SuperblockError.BadChecksum => "the checksum is wrong: torn or rotten",
        SuperblockError.UnknownVersion => string.Create(
            CultureInfo.InvariantCulture, $"format version {read.Version}, which this program does not know"),
        SuperblockError.Malformed => "the checksum is good, but a field holds what this version never writes",
        _ => read.Error.ToString(),
    };

    private static MetadataReport.SuperblockContent Describe(Superblock superblock, SuperblockChoice choice) => new(
        (choice.Copy == 0 ? choice.Copy0 : choice.Copy1).Version,
        choice.WriteSequence,
        superblock.DeviceId.ToString("X16", CultureInfo.InvariantCulture),
        superblock.ResourceName,
        superblock.VolumeName,
        superblock.NodeName,
        superblock.Kind.ToString(),
        superblock.DataBytes,
        superblock.AgreedBytes,
        superblock.ActivityLogExtents,
        superblock.ActivityLogExtentBytes,
        Names(superblock.Flags),
        superblock.BootId.ToString(),
        superblock.Current.ToString(),
        [.. superblock.History.Select(generation => generation.ToString())]);

    private void CheckIdentity(Superblock superblock)
    {
        var found = new VolumeIdentity(superblock.ResourceName, superblock.VolumeName, superblock.NodeName);
        var expected = new VolumeIdentity(place.Resource, place.Volume, place.Node);
        if (found != expected)
            _report.Problems.Add(new MetadataReport.Problem(true, "superblock", $"it is that of {found}, not of {expected}", true));
    }

    private MetadataLayout? FindLayout(Superblock superblock)
    {
        MetadataLayout? layout = _kind == MetadataKind.Internal
            ? MetadataLayout.ForInternal(_diskBytes, superblock.Peers.Length, superblock.ActivityLogExtents)
            : MetadataLayout.ForExternal(superblock.DataBytes, superblock.Peers.Length, superblock.ActivityLogExtents);
        string? wrong = null;
        if (superblock.Kind != _kind)
            wrong = $"it is {superblock.Kind} metadata, the configuration says {_kind}";
        else if (layout is null || layout.DataBytes != superblock.DataBytes)
            wrong = $"it is for {superblock.DataBytes} bytes of data, the disk's size gives {layout?.DataBytes ?? 0}: the other sections cannot be found";
        else if (_kind == MetadataKind.External && disk.SizeBytes < superblock.DataBytes)
            wrong = $"it is for {superblock.DataBytes} bytes of data, the disk has {disk.SizeBytes}";
        else if (_device.SizeBytes < layout.MetadataEnd)
            wrong = $"it needs {layout.MetadataEnd} bytes, its device has {_device.SizeBytes}";
        if (wrong is null)
            return layout;
        _report.Problems.Add(new MetadataReport.Problem(true, "superblock", wrong, true));
        return null;
    }

    private void ReadActivityLog(Superblock superblock, MetadataLayout layout)
    {
        int size = layout.ActivityLogTransactionBytes;
        byte[] ring = new byte[layout.ActivityLogRingBytes];
        int copies = MetadataLayout.ActivityLogPlaces * MetadataLayout.ActivityLogCopies;
        var states = new (ActivityLogError Error, ulong Transaction, string Words)[copies];
        uint[] table = new uint[layout.ActivityLogExtents];
        for (int i = 0; i < copies; i++)
        {
            Span<byte> bytes = ring.AsSpan(i * size, size);
            DiskResult result = _device.Read(layout.ActivityLogOffset + (long)i * size, bytes);
            if (!result.IsOk)
                bytes.Fill(0xFF);
            ActivityLogError error = ActivityLogCodec.TryDecode(bytes, superblock.DeviceId, table, out ulong transaction);
            states[i] = (error, transaction, result.IsOk ? Words(error) : $"unreadable: {result}");
        }

        ActivityLogChoice choice = ActivityLogCodec.ChooseNewest(ring, superblock.DeviceId, layout.ActivityLogExtents);
        List<MetadataReport.LogCopy> found = [];
        for (int i = 0; i < copies; i++)
        {
            int at = i / MetadataLayout.ActivityLogCopies;
            int copy = i % MetadataLayout.ActivityLogCopies;
            long offset = layout.ActivityLogOffset + (long)i * size;
            found.Add(new MetadataReport.LogCopy(at, copy, offset, states[i].Words, states[i].Transaction, choice.Index == i));
            if (states[i].Error == ActivityLogError.None)
                continue;
            bool isUnknown = states[i].Error == ActivityLogError.UnknownVersion;
            _report.Problems.Add(new MetadataReport.Problem(
                choice.Index < 0 || isUnknown, $"activity log place {at} copy {copy} at byte {offset}", states[i].Words, isUnknown));
        }

        _report.ActivityLog = new MetadataReport.Log(choice.Transaction, ActiveOf(superblock, layout, ring, choice), found);
        if (choice.Index < 0)
        {
            bool wasClean = (superblock.Flags & SuperblockFlags.CleanShutdown) != 0;
            _report.Problems.Add(new MetadataReport.Problem(
                true,
                "activity log",
                wasClean
                    ? "no transaction is intact; the shutdown was clean, so the log was empty"
                    : "no transaction is intact: an attach takes every extent as active and marks the whole volume"));
        }
    }

    private uint[] ActiveOf(Superblock superblock, MetadataLayout layout, byte[] ring, ActivityLogChoice choice)
    {
        if (choice.Index < 0)
            return [];
        int size = layout.ActivityLogTransactionBytes;
        uint[] table = new uint[layout.ActivityLogExtents];
        ActivityLogCodec.TryDecode(ring.AsSpan(choice.Index * size, size), superblock.DeviceId, table, out _);
        long extents = (layout.DataBytes + superblock.ActivityLogExtentBytes - 1) / superblock.ActivityLogExtentBytes;
        uint[] active = [.. table.Where(extent => extent != ActivityLogCodec.EmptySlot).Order()];
        foreach (uint extent in active.Where(extent => extent >= extents))
            _report.Problems.Add(new MetadataReport.Problem(true, "activity log", $"it names extent {extent}, the volume has {extents}"));
        return active;
    }

    private static string Words(ActivityLogError error) => error switch
    {
        ActivityLogError.None => "intact",
        ActivityLogError.Blank => "blank",
        ActivityLogError.BadMagic => "overwritten: something else stands here",
        ActivityLogError.BadChecksum => "the checksum is wrong: torn or rotten",
        ActivityLogError.UnknownVersion => "of a format version that this program does not know",
        ActivityLogError.OtherDevice => "left over from earlier metadata in the same place",
        ActivityLogError.Malformed => "the checksum is good, but a field contradicts the superblock",
        _ => error.ToString(),
    };
}
