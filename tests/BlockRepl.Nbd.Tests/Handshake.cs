using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace BlockRepl.Nbd.Tests;

/// <summary>Drives a negotiation as a client would; sockets stay out of it.</summary>
internal sealed class Handshake : INbdExportSource, INbdClient
{
    private readonly List<byte> _unread = [];

    public Handshake(params NbdExportInfo[] exports)
    {
        Exports = exports.ToDictionary(e => e.Name, e => (INbdExport)new Export(e));
        Negotiation = new NbdNegotiation(this, this);
    }

    public static NbdExportInfo Volume { get; } = new() { Name = "mail/db", SizeBytes = 1 << 20, Description = "mailboxes" };

    public NbdNegotiation Negotiation { get; }

    public Dictionary<string, INbdExport> Exports { get; }

    public string? Refusal { get; set; }

    public int OpenCount { get; private set; }

    public string Description => "test";

    /// <summary>Feeds bytes as they would arrive; consumes all it can.</summary>
    public void Feed(params byte[] bytes)
    {
        _unread.AddRange(bytes);
        for (int used = 1; used > 0 && _unread.Count > 0;)
        {
            used = Negotiation.Consume(_unread.ToArray());
            _unread.RemoveRange(0, used);
        }
    }

    public int UnreadCount => _unread.Count;

    public byte[] TakeOutput()
    {
        byte[] output = Negotiation.Output.ToArray();
        Negotiation.ClearOutput();
        return output;
    }

    public Handshake Greet(uint flags = 3)
    {
        TakeOutput();
        Feed(Big(flags));
        return this;
    }

    public List<(NbdOptionReply Reply, byte[] Data)> Ask(uint option, params byte[] data)
    {
        Feed([.. Big(0x49484156454F5054UL), .. Big(option), .. Big((uint)data.Length), .. data]);
        return TakeReplies(option);
    }

    public List<(NbdOptionReply Reply, byte[] Data)> TakeReplies(uint option)
    {
        List<(NbdOptionReply, byte[])> replies = [];
        ReadOnlySpan<byte> output = TakeOutput();
        while (!output.IsEmpty)
        {
            Assert.Equal(0x3e889045565a9UL, BinaryPrimitives.ReadUInt64BigEndian(output));
            Assert.Equal(option, BinaryPrimitives.ReadUInt32BigEndian(output[8..]));
            int length = (int)BinaryPrimitives.ReadUInt32BigEndian(output[16..]);
            replies.Add(((NbdOptionReply)BinaryPrimitives.ReadUInt32BigEndian(output[12..]), output.Slice(20, length).ToArray()));
            output = output[(20 + length)..];
        }

        return replies;
    }

    public static byte[] Name(string name) => [.. Big((uint)Encoding.UTF8.GetByteCount(name)), .. Encoding.UTF8.GetBytes(name)];

    public static byte[] Big(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Big(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    public bool TryOpen(string name, INbdClient client, [NotNullWhen(true)] out INbdExport? export, out string refusal)
    {
        Assert.NotEqual("", name);
        refusal = Refusal ?? $"there is no export '{name}'";
        export = null;
        if (Refusal is not null || !Exports.TryGetValue(name, out export))
            return false;
        OpenCount++;
        return true;
    }

    public IReadOnlyList<string> ListExports() => [.. Exports.Keys];

    public void Closed(INbdExport export, INbdClient client) => OpenCount--;

    public void Abort(string reason) => throw new NotSupportedException();

    private sealed class Export(NbdExportInfo info) : INbdExport
    {
        public NbdExportInfo Info => info;

        public void Submit(ReadOnlySpan<NbdRequest> batch) => throw new NotSupportedException();
    }
}
