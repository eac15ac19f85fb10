using BlockRepl.Primitives;

namespace BlockRepl.Protocol.Wire;

/// <summary>The body of a read request, incoming. Errors stay in the reader.</summary>
internal static class ReadRequestReader
{
    public static ReadRequestMessage Read(ref ProtoReader reader)
    {
        ulong id = 0, offset = 0, length = 0, generation = 0;
        VolumeNr nr = default;
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
                    offset = reader.UInt64("offset", long.MaxValue);
                    break;
                case 4:
                    length = reader.UInt64("length", ProtocolLimits.ReadBytesMax, FrameErrorCode.LimitExceeded);
                    break;
                case 5:
                    generation = reader.Fixed64("serve_generation");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (offset > long.MaxValue - length || (length == 0) != (generation != 0))
            reader.Fail(FrameErrorCode.BadValue, "range");
        return new ReadRequestMessage(id, nr, new ByteRange((long)offset, (long)length), new GenerationId(generation));
    }
}
