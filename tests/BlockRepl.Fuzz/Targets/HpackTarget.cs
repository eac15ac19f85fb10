using BlockRepl.Fuzz.Engine;
using BlockRepl.Rpc;
using BlockRepl.Rpc.Http2;

namespace BlockRepl.Fuzz.Targets;

/// <summary>Header blocks: decoded within the limits, or the documented exception. The table lives on from block to block; a block is what stands between two zero octets.</summary>
internal sealed class HpackTarget : FuzzTarget
{
    public override string Name => "hpack";

    public override byte[] Make(Prng chance)
    {
        List<byte> block = [(byte)chance.Below(2)];
        for (int left = chance.Below(20); left > 0; left--)
        {
            switch (chance.Below(5))
            {
                case 0:
                    block.Add((byte)(0x80 | chance.Below(128)));
                    break;
                case 1:
                    block.Add((byte)(0x20 | chance.Below(32)));
                    break;
                case 2:
                    block.Add((byte)(0x40 | chance.Below(64)));
                    Text(chance, block);
                    break;
                case 3:
                    block.Add((byte)chance.Below(32));
                    Text(chance, block);
                    Text(chance, block);
                    break;
                default:
                    block.AddRange(new HpackEncoder().Literal("a" + chance.Below(9), new string('b', chance.Below(300))).ToArray());
                    break;
            }
        }

        return chance.OneIn(2) ? [.. block] : chance.Spoil([.. block]);
    }

    public override void Run(byte[] input)
    {
        if (input.Length == 0)
            return;
        var decoder = new HpackDecoder(input[0] == 0 ? 0 : Http2Settings.DefaultHeaderTable);
        try
        {
            for (int round = 0; round < 3; round++)
            {
                List<(string Name, string Value)> fields = decoder.Decode(input.AsSpan(1));
                Assert.InRange(fields.Count, 0, HpackDecoder.FieldsMax);
            }
        }
        catch (ChannelException)
        {
            // A refusal.
        }
    }

    private static void Text(Prng chance, List<byte> block)
    {
        int length = chance.Below(12);
        block.Add((byte)(length | (chance.OneIn(2) ? 0x80 : 0)));
        block.AddRange(chance.Bytes(length));
    }
}
