using BlockRepl.Primitives;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>What the cluster is like, and its first moments.</summary>
internal static class SetupVerbs
{
    public static void AddTo(Dictionary<string, Action<Scenario, Statement>> verbs)
    {
        verbs["volumes"] = Volumes;
        verbs["disk"] = Disk;
        verbs["set"] = Set;
        verbs["protocol"] = static (s, t) => SetOne(s, t, null, "protocol", One(t));
        verbs["al-extents"] = static (s, t) => s.Plan.Extents = (int)(Units.Size(One(t)) ?? throw t.Wrong("how many?"));
        verbs["create"] = Create;
        verbs["in-sync"] = InSync;
        verbs["shuffled"] = static (_, t) => Check.That(Units.Size(One(t)) > 0, "shuffled how often?");
        verbs["may-lose"] = MayLose;
        verbs["leave-as-is"] = static (s, t) => s.LeftAsIs = Units.Unquote(One(t));
    }

    private static string One(Statement statement) => statement.Words.Count == 1 ? statement.Words[0] : throw statement.Wrong("one word, please");

    private static void Volumes(Scenario scenario, Statement statement)
    {
        if (statement.Words is not [var count, "of", var size] || Units.Size(count) is not { } volumes || Units.Size(size) is not { } bytes)
            throw statement.Wrong("volumes COUNT of SIZE");
        scenario.Plan.Volumes = (int)volumes;
        scenario.Plan.VolumeBytes = bytes;
    }

    private static void Disk(Scenario scenario, Statement statement)
    {
        if (statement.Words is not ["a" or "b", _, "of", var size] || Units.Size(size) is not { } bytes || VolumeWord.Parse(statement.Words[1]) is not { } volume)
            throw statement.Wrong("disk a|b vN of SIZE");
        scenario.Plan.SetSize(statement.Words[0], volume, bytes);
    }

    private static void Set(Scenario scenario, Statement statement)
    {
        if (statement.Words is [var key, var value])
            SetOne(scenario, statement, null, key, value);
        else if (statement.Words is ["a" or "b", var key2, var value2])
            SetOne(scenario, statement, statement.Words[0], key2, value2);
        else
            throw statement.Wrong("set [a|b] KEY VALUE");
    }

    private static void SetOne(Scenario scenario, Statement statement, string? node, string key, string value)
    {
        if (!scenario.IsCreated)
        {
            SettingsTable.With(ClusterHarness.SettingsOf("alpha", "beta"), statement, key, value);
            scenario.Plan.Set(node, settings => SettingsTable.With(settings, statement, key, value));
            return;
        }

        foreach (SimulatedNode of in new[] { scenario.Cluster.Alpha, scenario.Cluster.Beta })
        {
            if (node is null || scenario.TryNode(node) == of)
                of.Settings = SettingsTable.With(of.Settings, statement, key, value);
        }
    }

    private static void Create(Scenario scenario, Statement statement)
    {
        scenario.Create();
        if (statement.Words is ["stopped"])
            return;
        scenario.Cluster.StartBoth();
        scenario.Settle(statement);
    }

    private static void InSync(Scenario scenario, Statement statement)
    {
        scenario.Create();
        ClusterHarness cluster = scenario.Cluster;
        cluster.StartBoth();
        scenario.Stepper.Run();
        Demand(scenario, statement, cluster.Alpha, OperatorVerb.SkipInitialSync);
        if (statement.Words is ["primary", var word])
            Demand(scenario, statement, scenario.Node(statement, word), OperatorVerb.Primary);
        else if (statement.Words.Count > 0)
            throw statement.Wrong("in-sync [primary a|b]");
    }

    private static void Demand(Scenario scenario, Statement statement, SimulatedNode node, OperatorVerb verb)
    {
        CommandTicket ticket = scenario.Cluster.Command(node, verb);
        if (!scenario.RunUntil(() => ticket.Result is not null) || ticket.ExitCode != 0)
            throw statement.Wrong($"{verb} on {Scenario.NameOf(node)}: {ticket.Result}");
    }

    private static void MayLose(Scenario scenario, Statement statement)
    {
        foreach (string name in statement.Words)
        {
            if (name != "*" && !scenario.Data.Knows(name))
                throw statement.Wrong($"nothing was written as {name}");
            scenario.Data.MayLose(name);
        }
    }
}
