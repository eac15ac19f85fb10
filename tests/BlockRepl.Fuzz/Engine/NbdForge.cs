using System.Text;
using BlockRepl.Nbd;

namespace BlockRepl.Fuzz.Engine;

/// <summary>What an NBD client may send: a greeting, options, requests, each often with wrong values.</summary>
internal static class NbdForge
{
    public const string ExportName = "mail/db";
    public const long ExportBytes = 1 << 20;

    private static readonly uint[] Options = [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 0, 99, uint.MaxValue];

    public static byte[] Session(Prng chance, bool goes)
    {
        List<byte> bytes = [];
        Big(bytes, chance.OneIn(12) ? chance.Number() : 3, 4);
        for (int left = chance.Below(5); left > 0; left--)
            Option(chance, bytes, chance.Pick(Options));
        if (goes)
            Option(bytes, 7, [.. Name(ExportName), 0, 0]);
        for (int left = chance.Below(12); left > 0; left--)
            Request(chance, bytes);
        byte[] session = [.. bytes];
        return chance.OneIn(3) ? chance.Spoil(session) : session;
    }

    /// <summary>An honest client's greeting, GO, a read of the first block, and its leave.</summary>
    public static byte[] Honest()
    {
        List<byte> bytes = [];
        Big(bytes, 3, 4);
        Option(bytes, 7, [.. Name(ExportName), 0, 0]);
        Request(bytes, 0, 0, 1, 0, 4096);
        Request(bytes, 0, 2, 2, 0, 0);
        return [.. bytes];
    }

    public static void Big(List<byte> bytes, ulong value, int size)
    {
        for (int i = size - 1; i >= 0; i--)
            bytes.Add((byte)(value >> (8 * i)));
    }

    private static void Option(Prng chance, List<byte> bytes, uint option)
    {
        List<byte> data = [];
        switch (option)
        {
            case 1:
                data.AddRange(Encoding.UTF8.GetBytes(chance.OneIn(2) ? ExportName : "nobody"));
                break;
            case 6 or 7:
                data.AddRange(chance.OneIn(4) ? chance.Bytes(chance.Below(30)) : Name(chance.Pick(["", ExportName, "no/such", new string('x', 4096), "\u00e9"])));
                int infos = chance.Below(5);
                Big(data, chance.OneIn(8) ? chance.Number() : (ulong)infos, 2);
                for (int i = 0; i < infos; i++)
                    Big(data, chance.OneIn(3) ? chance.Number() : (ulong)chance.Below(6), 2);
                break;
            case 9 or 10:
                data.AddRange(Name(ExportName));
                int queries = chance.Below(4);
                Big(data, chance.OneIn(6) ? chance.Number() : (ulong)queries, 4);
                for (int i = 0; i < queries; i++)
                    data.AddRange(Name(chance.Pick(["base:allocation", "base:", "", "qemu:x", new string('y', 5000)])));
                break;
            default:
                data.AddRange(chance.Bytes(chance.OneIn(3) ? chance.Below(40) : 0));
                break;
        }

        if (chance.OneIn(10))
            data = [.. chance.Spoil([.. data])];
        Big(bytes, chance.OneIn(40) ? chance.Number() : NbdWire.OptionMagic, 8);
        Big(bytes, option, 4);
        Big(bytes, chance.OneIn(12) ? chance.Number() : (ulong)data.Count, 4);
        bytes.AddRange(data);
    }

    private static void Option(List<byte> bytes, uint option, byte[] data)
    {
        Big(bytes, NbdWire.OptionMagic, 8);
        Big(bytes, option, 4);
        Big(bytes, (ulong)data.Length, 4);
        bytes.AddRange(data);
    }

    private static void Request(Prng chance, List<byte> bytes)
    {
        uint command = chance.OneIn(8) ? (uint)chance.Number() & 0xFFFF : chance.Pick([0u, 1u, 3u, 4u, 5u, 6u, 7u]);
        ulong offset = chance.OneIn(3) ? chance.Number() : (ulong)chance.Below((int)ExportBytes);
        uint length = chance.OneIn(4) ? (uint)chance.Number() : (uint)chance.Below(20_000);
        Request(bytes, (uint)(chance.OneIn(2) ? 0 : chance.Below(64)), command, chance.NextUInt64(), offset, length);
        if (command == 1)
            bytes.AddRange(chance.Bytes((int)Math.Min(length, 20_000)));
    }

    private static void Request(List<byte> bytes, uint flags, uint command, ulong cookie, ulong offset, uint length)
    {
        Big(bytes, NbdWire.RequestMagic, 4);
        Big(bytes, flags, 2);
        Big(bytes, command, 2);
        Big(bytes, cookie, 8);
        Big(bytes, offset, 8);
        Big(bytes, length, 4);
    }

    private static byte[] Name(string name)
    {
        List<byte> bytes = [];
        byte[] text = Encoding.UTF8.GetBytes(name);
        Big(bytes, (ulong)text.Length, 4);
        return [.. bytes, .. text];
    }
}
