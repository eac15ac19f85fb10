using System.Collections.Immutable;
using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>The bodies of the control path's frames, outgoing.</summary>
internal static class PeerMessageWriter
{
    public static void WriteBody(ref ProtoWriter writer, PeerMessage message)
    {
        switch (message)
        {
            case HelloMessage m:
                writer.Fixed32(1, PeerMessageCodec.HelloMagic);
                writer.UInt64(2, m.VersionMin);
                writer.UInt64(3, m.VersionMax);
                writer.Fixed64(4, (ulong)m.Features);
                writer.Name(5, m.Node);
                writer.Name(6, m.Peer);
                writer.Name(7, m.Resource);
                writer.Fixed64(8, m.Incarnation);
                break;
            case ResourceStateMessage m:
                Resource(ref writer, m);
                break;
            case VerdictMessage m:
                Verdict(ref writer, m);
                break;
            case BitmapPartMessage m:
                Bitmap(ref writer, m);
                break;
            case SyncBeginMessage m:
                writer.UInt64(1, m.Nr.Value);
                writer.Fixed64(2, m.SyncGeneration.Value);
                writer.Bool(3, m.Full);
                break;
            case SyncBegunMessage m:
                writer.UInt64(1, m.Nr.Value);
                break;
            case SyncCheckpointMessage m:
                Checkpoint(ref writer, m.Nr, m.Id);
                break;
            case SyncCheckpointDoneMessage m:
                Checkpoint(ref writer, m.Nr, m.Id);
                break;
            case SyncClearedMessage m:
                Checkpoint(ref writer, m.Nr, m.Id);
                break;
            case SyncEndMessage m:
                writer.UInt64(1, m.Nr.Value);
                writer.Fixed64(2, m.CurrentGeneration.Value);
                History(ref writer, 3, m.History);
                break;
            case SyncEndedMessage m:
                writer.UInt64(1, m.Nr.Value);
                break;
            case PeerStatusMessage m:
                Status(ref writer, m);
                break;
            case RoleRequestMessage m:
                writer.UInt64(1, m.Id);
                writer.UInt64(2, (ulong)m.Role);
                writer.Bool(3, m.Forced);
                break;
            case RoleReplyMessage m:
                writer.UInt64(1, m.Id);
                writer.Bool(2, m.Granted);
                writer.Text(3, m.Reason);
                writer.Bool(4, m.IsOlder);
                break;
            case WriteFailedMessage m:
                writer.UInt64(1, m.Sequence.Value);
                writer.UInt64(2, m.Nr.Value);
                writer.Int64(3, m.Range.Offset);
                writer.Int64(4, m.Range.Length);
                writer.Int64(5, m.Errno);
                break;
            case ReadRequestMessage m:
                writer.UInt64(1, m.Id);
                writer.UInt64(2, m.Nr.Value);
                writer.Int64(3, m.Range.Offset);
                writer.Int64(4, m.Range.Length);
                writer.Fixed64(5, m.ServeGeneration.Value);
                break;
            case ResyncAckMessage m:
                writer.UInt64(1, m.Nr.Value);
                writer.UInt64(2, m.Pieces);
                break;
            case ResyncRequestMessage m:
                writer.UInt64(1, m.Id);
                writer.UInt64(2, m.Nr.Value);
                writer.Bool(3, m.Full);
                writer.Bool(4, m.SenderIsTarget);
                break;
            case ResyncHashesMessage m:
                writer.UInt64(1, m.Nr.Value);
                writer.UInt64(2, m.Number);
                writer.Int64(3, m.Range.Offset);
                writer.Int64(4, m.Range.Length);
                writer.Bytes(5, m.Hashes);
                break;
            case ResyncDiffersMessage m:
                writer.UInt64(1, m.Nr.Value);
                writer.UInt64(2, m.Number);
                writer.Fixed64(3, m.Different);
                break;
            case ResyncReplyMessage m:
                writer.UInt64(1, m.Id);
                writer.Bool(2, m.Granted);
                writer.Text(3, m.Reason);
                break;
            case GoodbyeMessage m:
                writer.UInt64(1, (ulong)m.Reason);
                writer.Text(2, m.Detail);
                break;
            case AliveMessage m:
                writer.UInt64(1, m.AppliedSequence.Value);
                break;
            case AckMessage m:
                Ack(ref writer, m);
                break;
            case SettingsUpdateMessage or ResizeRequestMessage or ResizeReplyMessage or DetachRequestMessage or DetachReplyMessage:
                AdjustMessages.Write(ref writer, message);
                break;
            case BehindMessage:
                break;
            case VerifyControlMessage m:
                VerifyMessageCodec.Write(ref writer, m);
                break;
            case VerifyRangeMessage m:
                VerifyMessageCodec.Write(ref writer, m);
                break;
            case VerifyResultMessage m:
                VerifyMessageCodec.Write(ref writer, m);
                break;
            default:
                throw Check.Unreachable($"no encoding for {message.Kind}");
        }
    }

    private static void Resource(ref ProtoWriter writer, ResourceStateMessage message)
    {
        Check.That(message.Volumes.Length <= ProtocolLimits.VolumesMax, "too many volumes");
        writer.UInt64(1, (ulong)message.Role);
        writer.UInt64(2, (ulong)message.Protocol);
        foreach (VolumeStateInfo volume in message.Volumes)
        {
            int mark = writer.BeginMessage(3);
            writer.UInt64(1, volume.Nr.Value);
            writer.Name(2, volume.Name);
            writer.Int64(3, volume.SizeBytes);
            writer.UInt64(4, (ulong)volume.DiskState);
            writer.Fixed64(5, volume.CurrentGeneration.Value);
            writer.Fixed64(6, volume.BitmapGeneration.Value);
            History(ref writer, 7, volume.History);
            writer.UInt64(8, (ulong)volume.Flags);
            writer.Int64(9, volume.DirtyBlocks);
            writer.Int64(11, volume.BitmapSinceMs);
            writer.Int64(15, volume.CapacityBytes);
            writer.EndMessage(mark);
        }

        writer.UInt64(4, message.NextSequence.Value);
        writer.Bool(5, message.DiscardMyData);
        writer.Text(6, message.SplitBrainPolicies);
    }

    private static void Verdict(ref ProtoWriter writer, VerdictMessage message)
    {
        Check.That(message.Volumes.Length <= ProtocolLimits.VolumesMax, "too many volumes");
        foreach (VolumeVerdict volume in message.Volumes)
        {
            int mark = writer.BeginMessage(1);
            writer.UInt64(1, volume.Nr.Value);
            writer.SInt32(2, volume.Result);
            writer.UInt64(3, volume.Rule);
            writer.EndMessage(mark);
        }
    }

    private static void Bitmap(ref ProtoWriter writer, BitmapPartMessage message)
    {
        Check.That(message.Runs.Length <= ProtocolLimits.RunsMax, "too many runs in one part");
        writer.UInt64(1, message.Nr.Value);
        writer.UInt64(2, message.FirstBlock);
        if (message.Runs.Length > 0)
        {
            ulong length = 0;
            foreach (ulong run in message.Runs)
                length += (ulong)ProtoWriter.VarintLength(run);
            writer.Tag(3, WireType.Bytes);
            writer.Varint(length);
            foreach (ulong run in message.Runs)
                writer.Varint(run);
        }

        writer.Bool(4, message.Last);
    }

    private static void Status(ref ProtoWriter writer, PeerStatusMessage message)
    {
        Check.That(message.Volumes.Length <= ProtocolLimits.VolumesMax, "too many volumes");
        writer.UInt64(1, (ulong)message.Role);
        foreach (PeerVolumeStatus volume in message.Volumes)
        {
            int mark = writer.BeginMessage(2);
            writer.UInt64(1, volume.Nr.Value);
            writer.UInt64(2, (ulong)volume.DiskState);
            writer.Int64(3, volume.DirtyBlocks);
            writer.EndMessage(mark);
        }

        foreach (ResyncStatus resync in message.Resyncs)
        {
            int mark = writer.BeginMessage(3);
            writer.UInt64(1, resync.Nr.Value);
            writer.Bool(2, resync.Paused);
            writer.Int64(3, resync.TotalBytes);
            writer.Int64(4, resync.LeftBytes);
            writer.Int64(5, resync.BytesPerSecond);
            writer.Int64(6, resync.EqualBytes);
            writer.Int64(7, resync.ZeroBytes);
            writer.EndMessage(mark);
        }
    }

    private static void Ack(ref ProtoWriter writer, AckMessage message)
    {
        Check.That(message.Stable.Length <= ProtocolLimits.VolumesMax, "too many volumes");
        writer.UInt64(1, message.ReceivedSequence.Value);
        writer.UInt64(2, message.AppliedSequence.Value);
        foreach (StableMark mark in message.Stable)
        {
            int start = writer.BeginMessage(3);
            writer.UInt64(1, mark.Volume.Value);
            writer.UInt64(2, mark.Sequence.Value);
            writer.EndMessage(start);
        }
    }

    private static void Checkpoint(ref ProtoWriter writer, VolumeNr nr, ulong id)
    {
        writer.UInt64(1, nr.Value);
        writer.UInt64(2, id);
    }

    private static void History(ref ProtoWriter writer, uint field, ImmutableArray<GenerationId> history)
    {
        Check.That(history.Length <= ProtocolLimits.HistoryMax, "too long a history");
        if (history.Length == 0)
            return;
        writer.Tag(field, WireType.Bytes);
        writer.Varint((ulong)(history.Length * sizeof(ulong)));
        foreach (GenerationId generation in history)
            writer.RawFixed64(generation.Value);
    }
}
