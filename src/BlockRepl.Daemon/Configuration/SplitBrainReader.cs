using BlockRepl.Core;

namespace BlockRepl.Daemon.Configuration;

/// <summary>Reads what a resource does about diverged nodes. Values of drbd.conf that this program does not have are refused with a sentence (docs/decisions/0010).</summary>
/// <param name="perNode">Knows the cluster's nodes.</param>
/// <param name="directory">The configuration file's.</param>
/// <param name="errors">Where errors go.</param>
internal sealed class SplitBrainReader(PerNodeReader perNode, string directory, ErrorSink errors)
{
    private const string DiscardNode = "discard-node-";

    private static readonly (string Word, AfterSplitBrain0Pri Value)[] NoPrimary =
    [
        ("disconnect", AfterSplitBrain0Pri.Disconnect),
        ("discard-younger-primary", AfterSplitBrain0Pri.DiscardYoungerPrimary),
        ("discard-older-primary", AfterSplitBrain0Pri.DiscardOlderPrimary),
        ("discard-zero-changes", AfterSplitBrain0Pri.DiscardZeroChanges),
        ("discard-least-changes", AfterSplitBrain0Pri.DiscardLeastChanges),
    ];

    /// <summary>Reads the keys; what is wrong is told to the sink and replaced by its default.</summary>
    public SplitBrainOptions Read(MappingReader reader) => new()
    {
        Policies = new SplitBrainPolicies
        {
            NoPrimary = ReadNoPrimary(reader, out string node),
            DiscardNode = node,
            OnePrimary = RefusesViolence(reader, "after-sb-1pri", "violently-as0p", "use consensus, or call-pri-lost-after-sb and demote the Primary in its handler")
                ? default
                : reader.Word("after-sb-1pri", AfterSplitBrain1Pri.Disconnect,
                    ("disconnect", AfterSplitBrain1Pri.Disconnect), ("consensus", AfterSplitBrain1Pri.Consensus),
                    ("discard-secondary", AfterSplitBrain1Pri.DiscardSecondary), ("call-pri-lost-after-sb", AfterSplitBrain1Pri.CallPrimaryLost)),
            TwoPrimaries = RefusesViolence(reader, "after-sb-2pri", "violently-as0p", "use call-pri-lost-after-sb and demote the Primary in its handler")
                ? default
                : reader.Word("after-sb-2pri", AfterSplitBrain2Pri.Disconnect,
                    ("disconnect", AfterSplitBrain2Pri.Disconnect), ("call-pri-lost-after-sb", AfterSplitBrain2Pri.CallPrimaryLost)),
            Always = reader.Word("always-asbp", false, ("no", false), ("yes", true)),
        },
        RoleConflict = RefusesViolence(reader, "rr-conflict", "violently", "use call-pri-lost and demote the Primary in its handler")
            ? default
            : reader.Word("rr-conflict", RoleConflictPolicy.Disconnect,
                ("disconnect", RoleConflictPolicy.Disconnect), ("retry-connect", RoleConflictPolicy.RetryConnect),
                ("call-pri-lost", RoleConflictPolicy.CallPrimaryLost), ("auto-discard", RoleConflictPolicy.Disconnect)),
        Saves = reader.Word("split-brain-save", true, ("on", true), ("off", false)),
        SaveDirectory = perNode.Read<string>(reader, "save-dir", SaveDirectory) ?? SplitBrainOptions.Default.SaveDirectory,
    };

    private AfterSplitBrain0Pri ReadNoPrimary(MappingReader reader, out string node)
    {
        node = "";
        if (reader.Take("after-sb-0pri") is not YamlText { Value: { } text } value || !text.StartsWith(DiscardNode, StringComparison.Ordinal))
            return reader.Word("after-sb-0pri", AfterSplitBrain0Pri.Disconnect, NoPrimary);
        node = text[DiscardNode.Length..];
        if (perNode.Nodes.Contains(node))
            return AfterSplitBrain0Pri.DiscardNode;
        errors.Add(value.At, $"after-sb-0pri: no node is called \"{node}\"{Spelling.Suggest(node, perNode.Nodes)}");
        node = "";
        return AfterSplitBrain0Pri.Disconnect;
    }

    private bool RefusesViolence(MappingReader reader, string key, string word, string hint)
    {
        if (reader.Take(key) is not YamlText { Value: { } text } value || text != word)
            return false;
        errors.Add(value.At, $"{key}: {word} would exchange a Primary's data under its clients, which this program never does; {hint}");
        return true;
    }

    private bool SaveDirectory(string text, SourcePosition at, out string path)
    {
        path = "";
        if (text.Contains('\0'))
        {
            errors.Add(at, "a path cannot contain a zero byte");
            return false;
        }

        path = Path.GetFullPath(text, directory);
        return true;
    }
}
