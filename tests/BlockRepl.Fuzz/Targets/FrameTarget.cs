using BlockRepl.Fuzz.Engine;
using BlockRepl.Protocol;
using BlockRepl.Protocol.Tests;
using BlockRepl.Rpc;

namespace BlockRepl.Fuzz.Targets;

/// <summary>One frame from a peer: refused, or the same once more when it is encoded again; compressed data fill their length exactly, or are refused.</summary>
internal sealed class FrameTarget : FuzzTarget
{
    private static readonly byte[][] Good = [.. Samples.Frames()];

    // Where a receiver's buffer would be, with room behind it; one for all cases.
    private readonly byte[] _plain = new byte[ProtocolLimits.RawBytesMax + 64];

    public override string Name => "frame";

    public override byte[] Make(Prng chance) => chance.Below(4) switch
    {
        0 => chance.Spoil(chance.Pick(Good)),
        1 => Compressed(chance),
        2 => chance.Spoil(ProtoForge.Frame(chance)),
        _ => ProtoForge.Frame(chance),
    };

    public override void Run(byte[] input)
    {
        bool isTaken = Samples.TryReceive(input, out FrameError error);
        Assert.Equal(isTaken, error.Code == FrameErrorCode.None);
        if (!isTaken)
            return;
        FrameKind kind = PeerMessageCodec.PeekKind(input);
        if (kind is FrameKind.Changes or FrameKind.ResyncData or FrameKind.ReadReply)
        {
            Expand(input, kind);

            // No bit of what was taken may be another (G10): the checksum covers all of it.
            input[input.Length / 2] ^= 1;
            Assert.False(Samples.TryReceive(input, out _), "a frame with another bit is taken too");
            return;
        }

        Assert.True(PeerMessageCodec.TryDecode(input, out PeerMessage message, out _));
        byte[] again = PeerMessageCodec.Encode(message);
        Assert.True(PeerMessageCodec.TryDecode(again, out PeerMessage second, out FrameError why), $"{message.Kind} decodes, and not when encoded again: {why}");
        Assert.Equal(again, PeerMessageCodec.Encode(second));
    }

    private static byte[] Compressed(Prng chance)
    {
        byte[] plain = new byte[1 + chance.Below(20_000)];
        for (int i = 0; i < plain.Length; i += 1 + chance.Below(40))
            plain[i] = (byte)chance.NextUInt64();
        byte[] packed = new byte[plain.Length + 1000];
        if (!Lz4.TryCompress(plain, packed, out int written))
            return [];
        byte[] data = packed[..written];
        if (chance.OneIn(2))
            data = chance.Spoil(data);
        int length = Math.Max(chance.OneIn(3) ? 1 + chance.Below(ProtocolLimits.RawBytesMax) : plain.Length, data.Length);
        return Samples.ChangesFrame([new ChangeHeader(ChangeKind.Write, default, 0, length, ChangeFlags.None)], data, CompressionKind.Lz4, length);
    }

    private void Expand(byte[] input, FrameKind kind)
    {
        if (kind != FrameKind.Changes || !ChangesFrameReader.TryRead(input, out ChangesFrameReader changes, out _) || changes.Compression != CompressionKind.Lz4)
            return;

        // As the receiver does; what lies behind the destination must stay.
        Span<byte> behind = _plain.AsSpan(changes.RawLength, 64);
        behind.Fill(0xEE);
        Lz4.TryDecompress(input.AsSpan(changes.DataOffset, changes.DataLength), _plain.AsSpan(0, changes.RawLength));
        Assert.False(behind.ContainsAnyExcept((byte)0xEE), "bytes behind the destination were written");
    }
}
