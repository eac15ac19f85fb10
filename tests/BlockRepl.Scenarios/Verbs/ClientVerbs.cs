using BlockRepl.Protocol;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>What clients ask for.</summary>
internal static class ClientVerbs
{
    // "With default settings a lost or frozen peer delays a client by at most 20 s."
    public const long PatienceMs = 20_000;

    public static void AddTo(Dictionary<string, Action<Scenario, Statement>> verbs)
    {
        verbs["write"] = static (s, t) => Change(s, t, ChangeKind.Write);
        verbs["trim"] = static (s, t) => Change(s, t, ChangeKind.Trim);
        verbs["zeroes"] = static (s, t) => Change(s, t, ChangeKind.Zeroes);
        verbs["flush"] = Flush;
    }

    private static void Change(Scenario scenario, Statement statement, ChangeKind kind)
    {
        List<string> words = [.. statement.Words];
        SimulatedNode node = scenario.Node(statement, Take(statement, words, 0));
        int volume = 0;
        if (words.Count > 0 && VolumeWord.Parse(words[0]) is { } named)
        {
            volume = named;
            words.RemoveAt(0);
        }

        long offset = Units.Size(Take(statement, words, 0)) ?? throw statement.Wrong("where?");
        long length = Units.Size(Take(statement, words, 0)) ?? throw statement.Wrong("how much?");
        string name = TakeName(statement, words) ?? throw statement.Wrong("give it a name: = X");
        ChangeFlags flags = words.Remove("fua") ? ChangeFlags.Fua : ChangeFlags.None;
        (int count, long step) = TakeRepetition(statement, words, length);
        if (words.Count > 0)
            throw statement.Wrong($"what is \"{words[0]}\"?");
        if (!node.IsAlive)
        {
            if (statement.Outcome is ["any"])
                return;
            throw statement.Wrong($"{Scenario.NameOf(node)} is down: nobody can ask it");
        }

        if (node.IsFrozen)
            throw statement.Wrong($"{Scenario.NameOf(node)} is frozen: it takes nothing");
        List<ClientRequest> requests = [];
        for (int i = 0; i < count; i++)
        {
            ClientRequest request = scenario.Cluster.Change(node, kind, offset + i * step, length, flags, (ushort)volume);
            scenario.Data.Issued(name, request);
            requests.Add(request);
        }

        Await(scenario, statement, name, requests);
    }

    private static void Flush(Scenario scenario, Statement statement)
    {
        List<string> words = [.. statement.Words];
        SimulatedNode node = scenario.Node(statement, Take(statement, words, 0));
        int volume = words.Count > 0 ? VolumeWord.Parse(words[0]) ?? 0 : 0;
        words.RemoveAll(static w => VolumeWord.Parse(w) is not null);
        string name = TakeName(statement, words) ?? "flush";
        if (!node.IsAlive && statement.Outcome is ["any"])
            return;
        ClientRequest request = scenario.Cluster.Flush(node, (ushort)volume);
        scenario.Data.Issued(name, request);
        Await(scenario, statement, name, [request]);
    }

    private static void Await(Scenario scenario, Statement statement, string name, List<ClientRequest> requests)
    {
        scenario.Answers.Add(name, requests);
        if (statement.IsBegun)
            return;
        string wanted = statement.Outcome.Count > 0 ? statement.Outcome[0] : "ok";
        scenario.Settle(statement);
        if (wanted != "pending")
            scenario.RunUntil(() => requests.TrueForAll(static r => OutcomeOf(r) != "pending"), PatienceMs);
        foreach (ClientRequest request in requests)
        {
            if (wanted != "any" && OutcomeOf(request) != wanted)
                throw statement.Wrong($"{name} is {OutcomeOf(request)}, not {wanted}");
        }
    }

    /// <summary>pending, lost (its node died), ok, EIO, ENOSPC and so on.</summary>
    public static string OutcomeOf(ClientRequest request) => request.Result is { } result
        ? result.ToString().Split(' ')[0]
        : request.EndedAt == long.MaxValue ? "pending" : "lost";

    /// <summary>Takes <c>= NAME</c> from the words.</summary>
    public static string? TakeName(Statement statement, List<string> words)
    {
        int at = words.IndexOf("=");
        if (at < 0)
            return null;
        if (at == words.Count - 1)
            throw statement.Wrong("a name is missing behind =");
        string name = words[at + 1];
        words.RemoveRange(at, 2);
        return name;
    }

    /// <summary>Takes one word.</summary>
    public static string Take(Statement statement, List<string> words, int at)
    {
        if (at >= words.Count)
            throw statement.Wrong("a word is missing");
        string word = words[at];
        words.RemoveAt(at);
        return word;
    }

    private static (int Count, long Step) TakeRepetition(Statement statement, List<string> words, long length)
    {
        int times = words.IndexOf("times");
        if (times < 0)
            return (1, length);
        if (times == words.Count - 1 || Units.Size(words[times + 1]) is not { } count)
            throw statement.Wrong("times HOW-OFTEN [step SIZE]");
        long step = length;
        if (words.Count > times + 3 && words[times + 2] == "step")
        {
            step = Units.Size(words[times + 3]) ?? throw statement.Wrong("step SIZE");
            words.RemoveRange(times + 2, 2);
        }

        words.RemoveRange(times, 2);
        return ((int)count, step);
    }
}
