using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>The bodies of the frames about changes of the configuration, of sizes and of disks. Reading errors stay in the reader.</summary>
internal static class AdjustMessages
{
    public static void Write(ref ProtoWriter writer, PeerMessage message)
    {
        switch (message)
        {
            case SettingsUpdateMessage m:
                writer.UInt64(1, (ulong)m.Protocol);
                break;
            case ResizeRequestMessage m:
                writer.UInt64(1, m.Id);
                writer.UInt64(2, m.Nr.Value);
                writer.Bool(3, m.Commit);
                writer.Int64(4, m.SizeBytes);
                writer.Bool(5, m.IsEqual);
                break;
            case ResizeReplyMessage m:
                writer.UInt64(1, m.Id);
                writer.UInt64(2, m.Nr.Value);
                writer.Int64(3, m.SizeBytes);
                writer.Bool(4, m.ReadsZero);
                writer.Text(5, m.Reason);
                break;
            case DetachRequestMessage m:
                writer.UInt64(1, m.Id);
                writer.UInt64(2, m.Nr.Value);
                break;
            case DetachReplyMessage m:
                writer.UInt64(1, m.Id);
                writer.Bool(2, m.Granted);
                writer.Text(3, m.Reason);
                break;
            default:
                throw Check.Unreachable($"no encoding for {message.Kind}");
        }
    }

    public static PeerMessage SettingsUpdate(ref ProtoReader reader)
    {
        ulong protocol = 0;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                protocol = reader.UInt64("protocol", (ulong)WriteProtocol.C);
            else
                reader.Skip();
        }

        if (protocol == 0)
            reader.Fail(FrameErrorCode.BadValue, "protocol");
        return new SettingsUpdateMessage((WriteProtocol)protocol);
    }

    public static PeerMessage ResizeRequest(ref ProtoReader reader)
    {
        ulong id = 0, size = 0;
        VolumeNr nr = default;
        bool commit = false, isEqual = false;
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    id = reader.UInt64("id");
                    break;
                case 2:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 3:
                    commit = reader.Bool("commit");
                    break;
                case 4:
                    size = reader.UInt64("size_bytes", long.MaxValue);
                    break;
                case 5:
                    isEqual = reader.Bool("is_equal");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return new ResizeRequestMessage(id, nr, commit, (long)size, isEqual);
    }

    public static PeerMessage ResizeReply(ref ProtoReader reader)
    {
        ulong id = 0, size = 0;
        VolumeNr nr = default;
        bool readsZero = false;
        string reason = "";
        while (reader.Next(out uint field))
        {
            switch (field)
            {
                case 1:
                    id = reader.UInt64("id");
                    break;
                case 2:
                    nr = PeerMessageReader.Nr(ref reader);
                    break;
                case 3:
                    size = reader.UInt64("size_bytes", long.MaxValue);
                    break;
                case 4:
                    readsZero = reader.Bool("reads_zero");
                    break;
                case 5:
                    reason = reader.Text("reason");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return new ResizeReplyMessage(id, nr, (long)size, readsZero, reason);
    }

    public static PeerMessage DetachRequest(ref ProtoReader reader)
    {
        ulong id = 0;
        VolumeNr nr = default;
        while (reader.Next(out uint field))
        {
            if (field == 1)
                id = reader.UInt64("id");
            else if (field == 2)
                nr = PeerMessageReader.Nr(ref reader);
            else
                reader.Skip();
        }

        return new DetachRequestMessage(id, nr);
    }

    public static PeerMessage DetachReply(ref ProtoReader reader)
    {
        ulong id = 0;
        bool granted = false;
        string reason = "";
        while (reader.Next(out uint field))
        {
            if (field == 1)
                id = reader.UInt64("id");
            else if (field == 2)
                granted = reader.Bool("granted");
            else if (field == 3)
                reason = reader.Text("reason");
            else
                reader.Skip();
        }

        return new DetachReplyMessage(id, granted, reason);
    }
}
