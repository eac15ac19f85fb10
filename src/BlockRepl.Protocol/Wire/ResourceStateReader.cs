using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>Reads the largest of the handshake's messages.</summary>
internal static class ResourceStateReader
{
    public static ResourceStateMessage Read(ref ProtoReader reader)
    {
        Role role = Role.Unknown;
        ulong protocol = 0, nextSequence = 0;
        bool discard = false;
        string policies = "";
        var volumes = ImmutableArray.CreateBuilder<VolumeStateInfo>();
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    role = PeerMessageReader.ReadRole(ref reader);
                    break;
                case 2:
                    protocol = reader.UInt64("protocol", (ulong)WriteProtocol.C);
                    break;
                case 3:
                    if (volumes.Count == ProtocolLimits.VolumesMax)
                        reader.Fail(FrameErrorCode.LimitExceeded, "volumes");
                    ProtoReader inner = reader.Message("volume");
                    volumes.Add(Volume(ref inner));
                    reader.Adopt(inner);
                    break;
                case 4:
                    nextSequence = reader.UInt64("next_sequence");
                    break;
                case 5:
                    discard = reader.Bool("discard_my_data");
                    break;
                case 6:
                    policies = reader.Text("split_brain_policies");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (protocol == 0)
            reader.Fail(FrameErrorCode.BadValue, "protocol");
        return new ResourceStateMessage(
            role, (WriteProtocol)protocol, volumes.ToImmutable(), new SequenceNumber(nextSequence), discard)
        {
            SplitBrainPolicies = policies,
        };
    }

    private static VolumeStateInfo Volume(ref ProtoReader reader)
    {
        VolumeNr nr = default;
        string name = "";
        ulong size = 0, capacity = 0, current = 0, bitmap = 0;
        DiskState state = DiskState.Diskless;
        var history = ImmutableArray.CreateBuilder<GenerationId>();
        uint flags = 0;
        long dirty = 0;
        ulong since = 0;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 2:
                    name = reader.Name("volume.name");
                    break;
                case 3:
                    size = reader.UInt64("volume.size_bytes", long.MaxValue);
                    break;
                case 4:
                    state = PeerMessageReader.ReadDiskState(ref reader);
                    break;
                case 5:
                    current = reader.Fixed64("volume.current_generation");
                    break;
                case 6:
                    bitmap = reader.Fixed64("volume.bitmap_generation");
                    break;
                case 7:
                    PeerMessageReader.ReadHistory(ref reader, history);
                    break;
                case 8:
                    flags = reader.UInt32("volume.flags");
                    break;
                case 9:
                    dirty = PeerMessageReader.ReadBlocks(ref reader);
                    break;
                case 10:
                    if (reader.Bytes("volume.crash_boot_id").Length > ProtocolLimits.BootIdBytesMax)
                        reader.Fail(FrameErrorCode.LimitExceeded, "volume.crash_boot_id");
                    break;
                case 11:
                    since = reader.UInt64("volume.bitmap_since_ms", long.MaxValue);
                    break;
                case 15:
                    capacity = reader.UInt64("volume.capacity_bytes", long.MaxValue);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (name.Length == 0)
            reader.Fail(FrameErrorCode.BadValue, "volume.name");
        return new VolumeStateInfo(
            nr, name, (long)size, state, new GenerationId(current), new GenerationId(bitmap), history.ToImmutable(),
            (VolumeFlags)flags, dirty)
        {
            BitmapSinceMs = (long)since,
            CapacityBytes = (long)capacity,
        };
    }
}
