using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace BlockRepl.Daemon.Configuration;

/// <summary>
/// The file as a tree that remembers where each node stands. YamlDotNet's own tree stops at the first duplicate key and
/// its object mapper at the first unknown one; an operator wants all errors at once.
/// </summary>
internal abstract record YamlTree(SourcePosition At)
{
    // Deeper than any configuration; keeps a hostile file from overflowing the stack (G14).
    private const int DepthMax = 32;

    /// <summary>Reads one document; null for an empty one. Throws <see cref="YamlException"/> with a position for bad syntax.</summary>
    public static YamlTree? Read(TextReader text)
    {
        var parser = new Parser(text);
        try
        {
            return ReadDocument(parser);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException or FormatException)
        {
            // What YamlDotNet's scanner throws for some broken texts instead of its own exception.
            Mark at = parser.Current?.End ?? Mark.Empty;
            throw new YamlException(at, at, "it breaks off, or stands where nothing of its kind may stand, somewhere behind this place", e);
        }
    }

    private static YamlTree? ReadDocument(Parser parser)
    {
        parser.Consume<StreamStart>();
        if (parser.TryConsume<StreamEnd>(out _))
            return null;
        parser.Consume<DocumentStart>();
        var root = ReadNode(parser, [], 0);
        parser.Consume<DocumentEnd>();
        if (parser.TryConsume<DocumentStart>(out var second))
            throw new YamlException(second.Start, second.End, "a second document: the configuration is one document");
        return root;
    }

    private static YamlTree ReadNode(Parser parser, Dictionary<string, YamlTree> anchors, int depth)
    {
        var next = parser.Consume<ParsingEvent>();
        if (depth > DepthMax)
            throw new YamlException(next.Start, next.End, "nested too deeply");
        if (next is AnchorAlias alias)
        {
            return anchors.TryGetValue(alias.Value.Value, out var target)
                ? target
                : throw new YamlException(alias.Start, alias.End, $"no anchor \"{alias.Value.Value}\" above");
        }
        var at = new SourcePosition((int)next.Start.Line, (int)next.Start.Column);
        YamlTree node = next switch
        {
            Scalar scalar => new YamlText(at, scalar.Value, scalar.Style == ScalarStyle.Plain),
            MappingStart => ReadMapping(parser, at, anchors, depth),
            SequenceStart => ReadSequence(parser, at, anchors, depth),
            _ => throw new YamlException(next.Start, next.End, "not a value"),
        };
        if (next is NodeEvent { Anchor.IsEmpty: false } anchored)
            anchors[anchored.Anchor.Value] = node;
        return node;
    }

    private static YamlMap ReadMapping(Parser parser, SourcePosition at, Dictionary<string, YamlTree> anchors, int depth)
    {
        List<(YamlText, YamlTree)> entries = [];
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var position = parser.Current!;
            if (ReadNode(parser, anchors, depth + 1) is not YamlText key)
                throw new YamlException(position.Start, position.End, "a key must be a plain word");
            entries.Add((key, ReadNode(parser, anchors, depth + 1)));
        }
        return new YamlMap(at, entries);
    }

    private static YamlList ReadSequence(Parser parser, SourcePosition at, Dictionary<string, YamlTree> anchors, int depth)
    {
        while (!parser.TryConsume<SequenceEnd>(out _))
            ReadNode(parser, anchors, depth + 1);
        return new YamlList(at);
    }
}

/// <summary>A scalar. A plain empty one, <c>~</c> or <c>null</c> is "no value".</summary>
internal sealed record YamlText(SourcePosition At, string Value, bool IsPlain) : YamlTree(At)
{
    public bool IsNull => IsPlain && Value is "" or "~" or "null";
}

/// <summary>A mapping, with its entries in the order of the file, duplicates included.</summary>
internal sealed record YamlMap(SourcePosition At, IReadOnlyList<(YamlText Key, YamlTree Value)> Entries) : YamlTree(At);

/// <summary>A sequence. The configuration has none, so its items are not kept.</summary>
internal sealed record YamlList(SourcePosition At) : YamlTree(At);
