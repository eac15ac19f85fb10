using BlockRepl.Daemon.Metadata.Inspection;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata;

/// <summary>
/// Writes metadata from a dump, offline. The superblock that says what the data is comes last: cut before it, the disk has fresh metadata, and everything will be copied from the peer.
/// </summary>
internal static class MetadataRestorer
{
    public static MetadataResult Restore(IBlockDevice disk, IBlockDevice? metadataDevice, MetadataDump dump, MetadataCreateOptions options)
    {
        Superblock wanted = dump.Superblock;
        if (Misfit(dump, options, metadataDevice is null ? MetadataKind.Internal : MetadataKind.External) is { } misfit)
            return new MetadataResult(MetadataError.OtherVolume, misfit, "take the dump of this volume and node");
        MetadataLayout? layout = metadataDevice is null
            ? MetadataLayout.ForInternal(disk.SizeBytes, options.PeerSlots, options.ActivityLogExtents)
            : MetadataLayout.ForExternal(wanted.DataBytes, options.PeerSlots, options.ActivityLogExtents);
        if (layout is null || layout.DataBytes != wanted.DataBytes || disk.SizeBytes < wanted.DataBytes)
        {
            return new MetadataResult(
                MetadataError.SizeChanged, $"the dump is for {wanted.DataBytes} bytes of data, this disk gives {layout?.DataBytes ?? 0}", "use a disk of the size that was dumped");
        }

        if (Beyond(dump, layout) is { } beyond)
            return new MetadataResult(MetadataError.Damaged, beyond, "take an unchanged dump");
        MetadataResult created = MetadataCreator.Create(disk, metadataDevice, options);
        if (!created.IsOk)
            return created;
        MetadataOpenResult opened = VolumeMetadataStore.Open(disk, metadataDevice, options.Identity);
        if (opened.Store is not { } store)
            return opened.Result;
        DiskResult result = Write(store, dump);
        return result.IsOk
            ? MetadataResult.Ok
            : new MetadataResult(MetadataError.DiskFailed, $"the metadata could not be written: {result}", "see the kernel log for the disk's error", result);
    }

    private static string? Misfit(MetadataDump dump, MetadataCreateOptions options, MetadataKind kind)
    {
        Superblock wanted = dump.Superblock;
        var identity = new VolumeIdentity(wanted.ResourceName, wanted.VolumeName, wanted.NodeName);
        if (identity != options.Identity)
            return $"the dump is that of {identity}, not of {options.Identity}";
        return wanted.Kind == kind ? null : $"the dump is of {wanted.Kind} metadata, the configuration says {kind}";
    }

    private static string? Beyond(MetadataDump dump, MetadataLayout layout)
    {
        if (dump.Superblock.AgreedBytes > layout.DataBytes || dump.Superblock.History.Length > Superblock.HistoryMax || dump.ActiveExtents.Count > layout.ActivityLogExtents)
            return "the dump holds more than metadata have room for";
        if (dump.Marks.Any(marks => marks.Any(run => run.Last >= layout.DataBlocks)))
            return $"the dump marks blocks beyond the volume's {layout.DataBlocks}";
        return dump.ActiveExtents.Any(extent => (long)extent * Superblock.DefaultExtentBytes >= layout.DataBytes) ? "the dump names extents beyond the volume's end" : null;
    }

    private static DiskResult Write(VolumeMetadataStore store, MetadataDump dump)
    {
        var slots = new PeerSlot[store.Layout.PeerSlots];
        Array.Fill(slots, PeerSlot.Free);
        for (int slot = 0; slot < dump.Marks.Count; slot++)
        {
            slots[slot] = dump.Superblock.Peers[slot];
            var bitmap = new DirtyBitmap(store.Layout.DataBlocks);
            if ((slots[slot].Flags & PeerSlotFlags.FullSync) != 0)
                bitmap.SetAll();
            foreach ((long first, long last) in dump.Marks[slot])
                bitmap.Set(first, last - first + 1);
            DiskResult marked = store.WriteBitmap(slot, bitmap, 0, bitmap.BlockCount);
            if (!marked.IsOk)
                return marked;
        }

        var table = new uint[store.Layout.ActivityLogExtents];
        Array.Fill(table, ActivityLogCodec.EmptySlot);
        dump.ActiveExtents.CopyTo(table);
        DiskResult result = store.WriteActivityLog(store.DurableTransaction + 1, table);
        return result.IsOk
            ? store.WriteSuperblock(dump.Superblock with { DeviceId = store.Superblock.DeviceId, Peers = [.. slots] })
            : result;
    }
}
