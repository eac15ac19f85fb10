using BlockRepl.Primitives;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>Processes die, hosts lose power, disks fail or hang or are replaced.</summary>
internal static class DisasterVerbs
{
    public static void AddTo(Dictionary<string, Action<Scenario, Statement>> verbs)
    {
        verbs["kill"] = Kill;
        verbs["power-cut"] = PowerCut;
        verbs["start"] = Start;
        verbs["attach"] = Attach;
        verbs["freeze"] = static (s, t) => SetFrozen(s, t, true);
        verbs["thaw"] = static (s, t) => SetFrozen(s, t, false);
        verbs["disk-fail"] = static (s, t) => Fault(s, t, isHang: false);
        verbs["disk-hang"] = static (s, t) => Fault(s, t, isHang: true);
        verbs["disk-mend"] = Mend;
        verbs["disk-new"] = NewDisk;
        verbs["corrupt"] = Corrupt;
        verbs["handler"] = Handler;
        verbs["snapshot"] = Snapshot;
        verbs["restore"] = Restore;
    }

    // The page cache lives on. What was under way is not done, or with "midway" as far as chance has it.
    private static void Kill(Scenario scenario, Statement statement)
    {
        SimulatedNode node = Alive(scenario, statement);
        if (statement.Words.Contains("midway"))
            node.Kill(scenario.Cluster.Chance);
        else
            node.Kill();
        CutOff(scenario, node);
        scenario.Settle(statement);
    }

    private static void PowerCut(Scenario scenario, Statement statement)
    {
        SimulatedNode node = scenario.Node(statement, statement.Words.Count > 0 ? statement.Words[0] : "");
        switch (statement.Words)
        {
            case [_] or [_, "losing", "all"]:
                node.PowerCut();
                break;
            case [_, "losing", "nothing"]:
                node.PowerCut(static () => true);
                break;
            case [_, "losing", "some"]:
                node.PowerCut(scenario.Cluster.Chance);
                break;
            default:
                throw statement.Wrong("power-cut a|b [losing all|nothing|some]");
        }

        CutOff(scenario, node);
        scenario.Settle(statement);
    }

    // The kernel of a dead process closes its sockets and a dead host answers nothing: the peer notices both, the one at once and the other by time-out. Which of
    // them is the script's to say; here the peer notices at once.
    private static void CutOff(Scenario scenario, SimulatedNode node)
    {
        scenario.Cluster.CutSilently();
        scenario.Cluster.NoticeLinkDown(scenario.Cluster.Other(node));
    }

    private static void Start(Scenario scenario, Statement statement)
    {
        foreach (SimulatedNode node in statement.Words.Count == 0
            ? [scenario.Cluster.Alpha, scenario.Cluster.Beta]
            : statement.Plain.Select(w => scenario.Node(statement, w)))
        {
            if (node.IsAlive)
            {
                if (statement.Words.Count > 0)
                    throw statement.Wrong($"{Scenario.NameOf(node)} runs");
                continue;
            }

            if (statement.Options.Contains("--diskless"))
                node.StartDiskless();
            else
                node.Start();
            if (!statement.Options.Contains("--disconnected"))
                scenario.Cluster.Command(node, OperatorVerb.Connect);
        }

        scenario.Settle(statement);
    }

    // What the daemon does when it is told to take a disk back: it reads the metadata and hands them to the engine.
    private static void Attach(Scenario scenario, Statement statement)
    {
        SimulatedNode node = Alive(scenario, statement);
        for (ushort v = 0; v < node.Disks.Length; v++)
        {
            if (node.Status.DiskState(new VolumeNr(v)) == DiskState.Diskless && (statement.Words is [_] || statement.Words is [_, var word] && VolumeWord.Parse(word) == v))
                node.Attach(v);
        }

        scenario.Settle(statement);
    }

    private static void SetFrozen(Scenario scenario, Statement statement, bool isFrozen)
    {
        Alive(scenario, statement).IsFrozen = isFrozen;
        scenario.Settle(statement);
    }

    private static void Fault(Scenario scenario, Statement statement, bool isHang)
    {
        List<string> words = [.. statement.Words];
        SimulatedNode node = scenario.Node(statement, ClientVerbs.Take(statement, words, 0));
        int? volume = words.Count > 0 ? VolumeWord.Parse(words[0]) : null;
        if (volume is not null)
            words.RemoveAt(0);
        bool once = words.Remove("once");
        DiskResult result = words.Remove("ENOSPC") ? DiskResult.NoSpace : DiskResult.Io;
        if (words.Count == 0 || words.Exists(static w => !DiskFault.Words.Contains(w)))
            throw statement.Wrong($"{statement.Verb} a|b [vN] {string.Join('|', DiskFault.Words)} ... [once] [ENOSPC]");
        foreach (string word in words)
            scenario.Stepper.Faults.Add(new DiskFault(node.Index, volume, word, isHang ? null : result, once));
    }

    private static void Mend(Scenario scenario, Statement statement)
    {
        SimulatedNode node = scenario.Node(statement, statement.Words.Count > 0 ? statement.Words[0] : "");
        scenario.Stepper.Faults.RemoveAll(f => f.Node == node.Index);
        scenario.Settle(statement);
    }

    private static void NewDisk(Scenario scenario, Statement statement)
    {
        SimulatedNode node = scenario.Node(statement, statement.Words.Count > 0 ? statement.Words[0] : "");
        if (statement.Words is not [_, var word, "of", var size] || VolumeWord.Parse(word) is not { } volume || Units.Size(size) is not { } bytes)
            throw statement.Wrong("disk-new a|b vN of SIZE");
        node.Disks[volume] = new SimulatedDisk(bytes);
        node.Metadata[volume] = scenario.Plan.FreshMetadata(node, volume, bytes);
    }

    // A bit flips on the medium. No record can know of it, so the check of the records leaves the block out from now on.
    private static void Corrupt(Scenario scenario, Statement statement)
    {
        List<string> words = [.. statement.Words];
        SimulatedNode node = scenario.Node(statement, ClientVerbs.Take(statement, words, 0));
        int volume = words is [var named, _] ? VolumeWord.Parse(named) ?? throw statement.Wrong("corrupt a|b [vN] OFFSET") : 0;
        long offset = Units.Size(words[^1]) ?? throw statement.Wrong("where?");
        node.Disks[volume].Corrupt(offset >> Block.Shift);
        scenario.Corrupted.Add((volume, offset >> Block.Shift));
    }

    // A handler's program ends. It must have been called: a script that answers a call that was not made is wrong about the engine.
    private static void Handler(Scenario scenario, Statement statement)
    {
        if (statement.Words is not [var word, var name, "exits", var code] || Units.Named<HandlerKind>(name) is not { } kind || Units.Size(code) is not { } exitCode)
            throw statement.Wrong("handler a|b NAME exits CODE");
        SimulatedNode node = scenario.Node(statement, word);
        if (!node.Handlers.Exists(call => call.Kind == kind))
            throw statement.Wrong($"the handler does not run; those that do: {string.Join(", ", node.Handlers.Select(static call => call.Kind))}");
        scenario.Cluster.CompleteHandler(node, kind, (int)exitCode);
        scenario.Settle(statement);
    }

    private static void Snapshot(Scenario scenario, Statement statement)
    {
        if (statement.Words is not [var word, var name])
            throw statement.Wrong("snapshot a|b NAME");
        SimulatedNode node = scenario.Node(statement, word);
        scenario.Snapshots[name] = ([.. node.Disks.Select(static d => d.Clone())], [.. node.Metadata.Select(static m => m.Clone())]);
    }

    private static void Restore(Scenario scenario, Statement statement)
    {
        if (statement.Words is not [var word, var name] || !scenario.Snapshots.TryGetValue(name, out (SimulatedDisk[] Disks, SimulatedMetadata[] Metadata) snapshot))
            throw statement.Wrong("restore a|b NAME, and NAME must be a snapshot");
        scenario.Node(statement, word).Restore(snapshot.Disks, snapshot.Metadata);
    }

    private static SimulatedNode Alive(Scenario scenario, Statement statement)
    {
        SimulatedNode node = scenario.Node(statement, statement.Words.Count > 0 ? statement.Words[0] : "");
        return node.IsAlive ? node : throw statement.Wrong($"{Scenario.NameOf(node)} is down already");
    }
}
