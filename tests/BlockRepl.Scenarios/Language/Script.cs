namespace BlockRepl.Scenarios.Language;

/// <summary>A script: its statements in order. Parsing finds what no engine could make sense of; what a word means is for the verbs.</summary>
public sealed class Script
{
    private static readonly string[] VerbsWithInner = ["before", "after", "at-each-step", "within"];

    private Script(string name, IReadOnlyList<Statement> statements)
    {
        Name = name;
        Statements = statements;
    }

    /// <summary>The file's name.</summary>
    public string Name { get; }

    /// <summary>What it says, line by line.</summary>
    public IReadOnlyList<Statement> Statements { get; }

    /// <summary>Reads a script. Throws <see cref="ScenarioException"/>.</summary>
    public static Script Parse(string name, IEnumerable<string> lines)
    {
        List<Statement> statements = [];
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            string where = $"{name}:{number}";
            List<string> words = Tokenize(line, where);
            if (words.Count > 0)
                statements.Add(ParseStatement(words, where));
        }

        if (statements.Count == 0)
            throw new ScenarioException($"{name}:1", "the script says nothing");
        return new Script(name, statements);
    }

    private static Statement ParseStatement(List<string> words, string where)
    {
        string text = string.Join(' ', words);
        bool isBegun = words[0] == "begin";
        if (isBegun)
            words = words[1..];
        if (words.Count == 0)
            throw new ScenarioException(where, "\"begin\" of what?");
        IReadOnlyList<Statement> inner = [];
        if (VerbsWithInner.Contains(words[0].TrimEnd(':')))
        {
            int colon = words.FindIndex(static w => w.EndsWith(':'));
            if (colon < 0 || colon == words.Count - 1)
                throw new ScenarioException(where, $"\"{words[0]}\" needs a colon and a statement behind it");
            inner = ParseInner(words[(colon + 1)..], where);
            words = [.. words[..(colon + 1)].Select(static w => w.TrimEnd(':')).Where(static w => w.Length > 0)];
        }

        int arrow = words.IndexOf("->");
        List<string> outcome = arrow < 0 ? [] : words[(arrow + 1)..];
        if (arrow >= 0 && outcome.Count == 0)
            throw new ScenarioException(where, "an arrow without an outcome");
        return new Statement(where, text, words[0], arrow < 0 ? words[1..] : words[1..arrow], outcome, isBegun, inner);
    }

    private static List<Statement> ParseInner(List<string> words, string where)
    {
        List<Statement> inner = [];
        while (words.Count > 0)
        {
            int end = words.IndexOf(";");
            List<string> one = end < 0 ? words : words[..end];
            if (one.Count == 0)
                throw new ScenarioException(where, "an empty statement");
            inner.Add(ParseStatement(one, where));
            words = end < 0 ? [] : words[(end + 1)..];
        }

        return inner;
    }

    // Words are parted by blanks; "..." is one word, whatever is in it; # begins a comment.
    private static List<string> Tokenize(string line, string where)
    {
        List<string> words = [];
        int i = 0;
        while (i < line.Length)
        {
            if (char.IsWhiteSpace(line[i]))
            {
                i++;
            }
            else if (line[i] == '#')
            {
                break;
            }
            else if (line[i] == '"')
            {
                int end = line.IndexOf('"', i + 1);
                if (end < 0)
                    throw new ScenarioException(where, "a quotation mark that is not closed");
                words.Add(line[i..(end + 1)]);
                i = end + 1;
            }
            else
            {
                int end = i;
                while (end < line.Length && !char.IsWhiteSpace(line[end]))
                    end++;
                words.Add(line[i..end]);
                i = end;
            }
        }

        return words;
    }
}
