using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>What a text of <c>dump-md</c> says, read back: all that <see cref="MetadataText"/> writes outside comments. Strict: a word that is not expected is an error with its line.</summary>
internal sealed class MetadataDump
{
    private static readonly SearchValues<char> EndsWord = SearchValues.Create("{};\" \t\r#");

    private readonly List<(string Word, int Line)> _words = [];
    private int _at;

    private MetadataDump(string text)
    {
        int line = 0;
        foreach (string each in text.Split('\n'))
        {
            line++;
            Split(each, line);
        }
    }

    /// <summary>The superblock; its slots are those of the text, in order. Device id and size are those of the disk that was dumped.</summary>
    public Superblock Superblock { get; private set; } = null!;

    /// <summary>The extents that were active.</summary>
    public List<uint> ActiveExtents { get; } = [];

    /// <summary>Marked blocks of each slot.</summary>
    public List<List<(long First, long Last)>> Marks { get; } = [];

    /// <summary>Reads a text; null and why if it is not a dump, or not a whole one.</summary>
    public static MetadataDump? Parse(string text, out string why)
    {
        var dump = new MetadataDump(text);
        try
        {
            dump.Read();
            why = "";
            return dump;
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            why = e.Message;
            return null;
        }
    }

    private void Split(string line, int number)
    {
        for (int i = 0; i < line.Length;)
        {
            char c = line[i];
            if (c == '#')
                return;
            if (char.IsWhiteSpace(c))
            {
                i++;
            }
            else if (c is '{' or '}' or ';')
            {
                _words.Add((c.ToString(), number));
                i++;
            }
            else if (c == '"')
            {
                int end = line.IndexOf('"', i + 1);
                _words.Add((end < 0 ? line[i..] : line[i..(end + 1)], number));
                i = end < 0 ? line.Length : end + 1;
            }
            else
            {
                int end = line.AsSpan(i).IndexOfAny(EndsWord);
                end = end < 0 ? line.Length : i + end;
                _words.Add((line[i..end], number));
                i = end;
            }
        }
    }

    private void Read()
    {
        uint version = checked((uint)Field("version", Number));
        if (version is < SuperblockCodec.OldestVersion or > SuperblockCodec.NewestVersion)
            throw Wrong($"format version {version}: this program knows {SuperblockCodec.OldestVersion} to {SuperblockCodec.NewestVersion}");
        _ = Field("write-sequence", Number);
        ulong deviceId = Field("device-id", Hex);
        string resource = Field("resource", Quoted);
        string volume = Field("volume", Quoted);
        string node = Field("node", Quoted);
        MetadataKind kind = Field("meta-disk", Word) switch
        {
            nameof(MetadataKind.Internal) => MetadataKind.Internal,
            nameof(MetadataKind.External) => MetadataKind.External,
            var other => throw Wrong($"meta-disk {other}"),
        };
        long dataBytes = Field("data-bytes", Number);
        long agreedBytes = Field("agreed-bytes", Number);
        int extents = checked((int)Field("al-extents", Number));
        if (Field("al-extent-bytes", Number) != Superblock.DefaultExtentBytes)
            throw Wrong("al-extent-bytes is not what this program uses");
        string boot = Field("boot-id", Word);
        if (!Guid.TryParse(boot, out Guid bootId))
            throw Wrong($"boot-id {boot}");
        SuperblockFlags flags = Field("flags", Flags<SuperblockFlags>);
        Expect("uuid");
        Expect("{");
        var current = new GenerationId(Field("current", Hex));
        ImmutableArray<GenerationId> history = [.. Field("history", () => List(Hex)).Select(id => new GenerationId(id))];
        Expect("}");
        var peers = ImmutableArray.CreateBuilder<PeerSlot>();
        while (Peek().StartsWith("peer[", StringComparison.Ordinal))
            peers.Add(Peer(peers.Count));
        ReadActivityLog();
        if (_at < _words.Count)
            throw Wrong($"\"{Peek()}\" after the end");
        Superblock = new Superblock
        {
            Version = version,
            DeviceId = deviceId,
            ResourceName = resource,
            VolumeName = volume,
            NodeName = node,
            Kind = kind,
            DataBytes = dataBytes,
            AgreedBytes = agreedBytes,
            ActivityLogExtents = extents,
            BootId = bootId,
            Flags = flags,
            Current = current,
            History = history,
            Peers = peers.ToImmutable(),
        };
    }

    private PeerSlot Peer(int taken)
    {
        if (Next() != $"peer[{taken}]")
            throw Wrong("slots of peers are missing before this one");
        string name = Quoted();
        Expect("{");
        var bitmap = new GenerationId(Field("bitmap-uuid", Hex));
        PeerSlotFlags flags = Field("flags", Flags<PeerSlotFlags>);
        List<(long, long)> marks = [];
        while (Peek() == "out-of-sync")
            marks.Add(Field("out-of-sync", Run));
        Expect("}");
        Marks.Add(marks);
        return new PeerSlot(name, bitmap, flags);
    }

    private void ReadActivityLog()
    {
        Expect("activity-log");
        Expect("{");
        _ = Field("transaction", Number);
        while (Peek() == "extents")
            ActiveExtents.AddRange(Field("extents", () => List(Number)).Select(extent => checked((uint)extent)));
        Expect("}");
    }

    private (long First, long Last) Run()
    {
        string[] ends = Next().Split("..");
        bool isRun = ends.Length == 2 && TryNumber(ends[0], out _) && TryNumber(ends[1], out _);
        if (!isRun || long.Parse(ends[0], CultureInfo.InvariantCulture) > long.Parse(ends[1], CultureInfo.InvariantCulture))
            throw Wrong("a run of blocks is FIRST..LAST");
        return (long.Parse(ends[0], CultureInfo.InvariantCulture), long.Parse(ends[1], CultureInfo.InvariantCulture));
    }

    private T Field<T>(string key, Func<T> value)
    {
        Expect(key);
        T read = value();
        Expect(";");
        return read;
    }

    private List<T> List<T>(Func<T> item)
    {
        List<T> items = [];
        if (Peek() == "none")
        {
            Next();
            return items;
        }

        while (Peek() != ";")
            items.Add(item());
        return items;
    }

    private T Flags<T>()
        where T : struct, Enum
    {
        ulong flags = 0;
        foreach (string word in List(Word))
        {
            if (!Enum.TryParse(word, out T flag) || !Enum.IsDefined(flag))
                throw Wrong($"flag {word}, which this program does not know");
            flags |= Convert.ToUInt64(flag, CultureInfo.InvariantCulture);
        }

        return (T)Enum.ToObject(typeof(T), flags);
    }

    private long Number() => TryNumber(Next(), out long number) ? number : throw Wrong($"\"{_words[_at - 1].Word}\" is no number");

    private ulong Hex()
    {
        string word = Next();
        return word.StartsWith("0x", StringComparison.Ordinal) && ulong.TryParse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong id)
            ? id
            : throw Wrong($"\"{word}\" is no number like 0x12AB");
    }

    private string Quoted()
    {
        string word = Next();
        return word.Length >= 2 && word[0] == '"' && word[^1] == '"' ? word[1..^1] : throw Wrong($"{word} is no name in quotation marks");
    }

    private string Word() => Next();

    private static bool TryNumber(string text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private void Expect(string word)
    {
        if (Next() != word)
            throw Wrong($"\"{_words[_at - 1].Word}\" where \"{word}\" should stand");
    }

    private string Peek() => _at < _words.Count ? _words[_at].Word : "";

    private string Next() => _at < _words.Count ? _words[_at++].Word : throw new FormatException("it ends too early: that is no whole dump");

    private FormatException Wrong(string what) => new($"line {_words[Math.Max(0, _at - 1)].Line}: {what}");
}
