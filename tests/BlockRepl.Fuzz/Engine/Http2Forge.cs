using System.Buffers.Binary;
using System.Text;
using BlockRepl.Protocol;
using BlockRepl.Protocol.Tests;
using BlockRepl.Rpc;
using BlockRepl.Rpc.Http2;

namespace BlockRepl.Fuzz.Engine;

/// <summary>HTTP/2 as a peer may speak it: the right frames in the right order, or nearly.</summary>
internal static class Http2Forge
{
    /// <summary>Bytes from the one who dials, or from the one who accepted.</summary>
    public static byte[] Stream(Prng chance, bool isDialer)
    {
        List<byte> bytes = [];
        if (isDialer)
            bytes.AddRange(Encoding.ASCII.GetBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        Frame(bytes, 4, 0, 0, chance.OneIn(3) ? Settings(chance) : []);
        if (!chance.OneIn(8))
            Frame(bytes, 1, 4, 1, Headers(isDialer));
        for (int left = chance.Below(14); left > 0; left--)
            Any(chance, bytes, isDialer);
        byte[] all = [.. bytes];
        return chance.OneIn(3) ? chance.Spoil(all) : all;
    }

    private static void Any(Prng chance, List<byte> bytes, bool isDialer)
    {
        int stream = chance.OneIn(8) ? (int)(chance.Number() & int.MaxValue) : 1;
        byte flags = chance.OneIn(6) ? (byte)chance.NextUInt64() : (byte)0;
        switch (chance.Below(10))
        {
            case 0:
                Frame(bytes, 6, flags, 0, chance.Bytes(chance.OneIn(6) ? chance.Below(20) : 8));
                break;
            case 1:
                byte[] window = new byte[4];
                BinaryPrimitives.WriteUInt32BigEndian(window, (uint)chance.Number());
                Frame(bytes, 8, flags, chance.OneIn(2) ? 0 : stream, window);
                break;
            case 2:
                Frame(bytes, 4, flags, 0, Settings(chance));
                break;
            case 3:
                Frame(bytes, 1, (byte)(flags | 4), stream, chance.OneIn(2) ? Headers(isDialer) : chance.Bytes(chance.Below(40)));
                break;
            case 4:
                Frame(bytes, (byte)chance.Below(16), flags, stream, chance.Bytes(chance.Below(64)));
                break;
            default:
                Data(chance, bytes, flags, stream);
                break;
        }
    }

    private static void Data(Prng chance, List<byte> bytes, byte flags, int stream)
    {
        byte[] message = chance.OneIn(2) ? ProtoForge.Frame(chance) : PeerMessageCodec.Encode(chance.Pick(Samples.All));
        byte[] prefix = [chance.OneIn(20) ? (byte)chance.NextUInt64() : (byte)0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32BigEndian(prefix.AsSpan(1), chance.OneIn(10) ? (uint)chance.Number() : (uint)message.Length);
        byte[] all = [.. prefix, .. message];

        // A message in one frame, or in several.
        int cut = chance.OneIn(3) ? chance.Below(all.Length) : all.Length;
        Frame(bytes, 0, flags, stream, all[..cut]);
        if (cut < all.Length)
            Frame(bytes, 0, 0, stream, all[cut..]);
    }

    private static byte[] Settings(Prng chance)
    {
        List<byte> settings = [];
        for (int left = chance.Below(4); left > 0; left--)
        {
            NbdForge.Big(settings, (ulong)chance.Below(9), 2);
            NbdForge.Big(settings, chance.Number(), 4);
        }

        return [.. settings];
    }

    private static byte[] Headers(bool isDialer) => isDialer
        ? new HpackEncoder().Indexed(3).Indexed(6).Literal(":path", PeerDialer.StreamPath).Literal(":authority", "x").Literal("content-type", "application/grpc").Literal("te", "trailers").ToArray()
        : new HpackEncoder().Indexed(8).Literal("content-type", "application/grpc").ToArray();

    private static void Frame(List<byte> bytes, byte type, byte flags, int stream, byte[] payload)
    {
        byte[] head = new byte[FrameHeader.Size];
        new FrameHeader(payload.Length, (FrameType)type, flags, stream).Write(head);
        bytes.AddRange(head);
        bytes.AddRange(payload);
    }
}
