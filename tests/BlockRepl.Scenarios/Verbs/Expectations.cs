using BlockRepl.Primitives;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>What must hold at a place of a script.</summary>
internal static class Expectations
{
    /// <summary>Throws if it does not hold.</summary>
    public static void Execute(Scenario scenario, Statement statement)
    {
        List<string> words = [.. statement.Words];
        string what = ClientVerbs.Take(statement, words, 0);
        switch (what)
        {
            case "state":
                State(scenario, statement, words);
                break;
            case "role":
                SimulatedNode node = Node(scenario, statement, words);
                Same(statement, words, node.IsAlive ? node.Core.Role.ToString() : "down");
                break;
            case "split-brain":
                SplitBrain(scenario, statement, words);
                break;
            case "never" when words is ["split-brain"]:
                scenario.ForbidsSplitBrain = true;
                if (scenario.Transcript.HasSeenSplitBrain)
                    throw statement.Wrong("a split brain was seen");
                break;
            case "detail":
                SimulatedNode detailed = Node(scenario, statement, words);
                Says(statement, words, detailed.Status.Detail(ClusterHarness.PeerOf));
                break;
            case "log":
                SimulatedNode logging = Node(scenario, statement, words);
                if (!logging.Log.Exists(l => l.Contains(Units.Unquote(words[0]), StringComparison.Ordinal)))
                    throw statement.Wrong($"the log does not say so; its last lines: {string.Join(" | ", logging.Log.TakeLast(5))}");
                break;
            case "suspended":
                SimulatedNode suspended = Node(scenario, statement, words);
                Says(statement, words, suspended.Status.Suspended);
                break;
            case "waiting":
                SimulatedNode waiting = Node(scenario, statement, words);
                Says(statement, words, string.Join("; ", waiting.Status.WaitingFor(ClusterHarness.Volume0)));
                break;
            case "handler":
                SimulatedNode calling = Node(scenario, statement, words);
                Handlers(statement, words, calling);
                break;
            case "answer":
                SimulatedNode asked = Node(scenario, statement, words);
                OperatorVerbs.CheckAnswer(statement, scenario.Answers.LastOf(asked) ?? throw statement.Wrong("nothing was asked"), words);
                break;
            default:
                DataExpectations.Execute(scenario, statement, what, words);
                break;
        }
    }

    /// <summary>Takes a node's name.</summary>
    public static SimulatedNode Node(Scenario scenario, Statement statement, List<string> words) =>
        scenario.Node(statement, ClientVerbs.Take(statement, words, 0));

    // CONNECTION-OR-REPLICATION LOCAL/PEER, of one volume or of all; either part may be left out.
    private static void State(Scenario scenario, Statement statement, List<string> words)
    {
        SimulatedNode node = Node(scenario, statement, words);
        int? volume = words.Count > 0 ? VolumeWord.Parse(words[0]) : null;
        if (volume is not null)
            words.RemoveAt(0);
        if (!node.IsAlive)
            throw statement.Wrong($"{Scenario.NameOf(node)} is down");
        if (words.Count == 0)
            throw statement.Wrong("expect state a|b [vN] CONNECTION LOCAL/PEER");
        foreach (string word in words)
        {
            if (!word.Contains('/', StringComparison.Ordinal) && Units.Named<ConnectionState>(word) is null && Units.Named<ReplicationState>(word) is null)
                throw statement.Wrong($"\"{word}\" is no state");
        }

        for (ushort v = 0; v < node.Disks.Length; v++)
        {
            if (volume is not null && volume != v)
                continue;
            var nr = new VolumeNr(v);
            string connection = node.Status.ConnectionState(ClusterHarness.PeerOf).ToString();
            string replication = node.Status.ReplicationState(nr, ClusterHarness.PeerOf).ToString();
            string disks = $"{node.Status.DiskState(nr)}/{node.Status.PeerDiskState(nr, ClusterHarness.PeerOf)}";
            foreach (string word in words)
            {
                if (word != connection && word != replication && word != disks)
                    throw statement.Wrong($"v{v} of {Scenario.NameOf(node)} is {connection} {replication} {disks} ({node.Status.Detail(ClusterHarness.PeerOf)})");
            }
        }
    }

    // G7: both nodes must say so, unless one is named.
    private static void SplitBrain(Scenario scenario, Statement statement, List<string> words)
    {
        SimulatedNode[] nodes = words.Count > 0 ? [Node(scenario, statement, words)] : [scenario.Cluster.Alpha, scenario.Cluster.Beta];
        foreach (SimulatedNode node in nodes)
        {
            if (!Transcript.IsSplitBrain(node))
                throw statement.Wrong($"{Scenario.NameOf(node)} does not say so: {(node.IsAlive ? $"{node.Status.ConnectionState(ClusterHarness.PeerOf)}: {node.Status.Detail(ClusterHarness.PeerOf)}" : "down")}");
        }
    }

    // expect handler a fence-peer: it runs now; expect handler a none.
    private static void Handlers(Statement statement, List<string> words, SimulatedNode node)
    {
        List<HandlerKind> running = [.. node.Handlers.Select(static call => call.Kind)];
        bool holds = words is ["none"] ? running.Count == 0 : words is [var name] && Units.Named<HandlerKind>(name) is { } kind && running.Contains(kind);
        if (!holds)
            throw statement.Wrong($"running are: {(running.Count == 0 ? "none" : string.Join(", ", running))}");
    }

    private static void Same(Statement statement, List<string> words, string found)
    {
        if (words is not [var wanted])
            throw statement.Wrong("one word is missing");
        if (wanted != found)
            throw statement.Wrong($"it is {found}");
    }

    private static void Says(Statement statement, List<string> words, string found)
    {
        if (words is ["no"])
        {
            if (found.Length > 0)
                throw statement.Wrong($"it is \"{found}\"");
        }
        else if (words is not [var wanted] || !found.Contains(Units.Unquote(wanted), StringComparison.OrdinalIgnoreCase))
        {
            throw statement.Wrong($"it is \"{found}\"");
        }
    }
}
