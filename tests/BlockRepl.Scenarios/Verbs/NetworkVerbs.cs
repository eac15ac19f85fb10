using BlockRepl.Protocol;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>The network: lost, healed, stalled, and what happens at a certain frame.</summary>
internal static class NetworkVerbs
{
    public static void AddTo(Dictionary<string, Action<Scenario, Statement>> verbs)
    {
        verbs["cut"] = Cut;
        verbs["heal"] = Heal;
        verbs["flap"] = Flap;
        verbs["hold"] = Hold;
        verbs["release"] = Release;
        verbs["before"] = static (s, t) => Trigger(s, t, isBefore: true);
        verbs["after"] = static (s, t) => Trigger(s, t, isBefore: false);
    }

    // Both nodes notice at once, or one, or none before its time-outs say so.
    private static void Cut(Scenario scenario, Statement statement)
    {
        ClusterHarness cluster = scenario.Cluster;
        cluster.IsNetworkUp = false;
        cluster.CutSilently();
        switch (statement.Words)
        {
            case []:
                cluster.NoticeLinkDown(cluster.Alpha);
                cluster.NoticeLinkDown(cluster.Beta);
                break;
            case ["unnoticed"]:
                break;
            case ["noticed-by", var word]:
                cluster.NoticeLinkDown(scenario.Node(statement, word));
                break;
            default:
                throw statement.Wrong("cut [unnoticed | noticed-by a|b]");
        }

        scenario.Settle(statement);
    }

    private static void Heal(Scenario scenario, Statement statement)
    {
        scenario.Cluster.IsNetworkUp = true;
        scenario.Settle(statement);
    }

    private static void Flap(Scenario scenario, Statement statement)
    {
        scenario.Cluster.Cut();
        scenario.Settle(statement);
    }

    private static void Hold(Scenario scenario, Statement statement)
    {
        if (statement.Words is not [var path, var kind])
            throw statement.Wrong("hold a->b FRAME");
        scenario.Stepper.Held.Add((Receiver(statement, path), Kind(statement, kind)));
    }

    private static void Release(Scenario scenario, Statement statement)
    {
        switch (statement.Words)
        {
            case []:
                scenario.Stepper.Held.Clear();
                break;
            case [var path, var kind]:
                if (!scenario.Stepper.Held.Remove((Receiver(statement, path), Kind(statement, kind))))
                    throw statement.Wrong("nothing of that is held");
                break;
            default:
                throw statement.Wrong("release [a->b FRAME]");
        }

        scenario.Settle(statement);
    }

    private static void Trigger(Scenario scenario, Statement statement, bool isBefore)
    {
        if (statement.Words.Count is not (2 or 3))
            throw statement.Wrong($"{statement.Verb} a->b FRAME [NUMBER]: STATEMENT");
        long number = statement.Words.Count == 3 ? Units.Size(statement.Words[2]) ?? throw statement.Wrong("the how manieth?") : 1;
        scenario.Stepper.Triggers.Add(new FrameTrigger(
            Receiver(statement, statement.Words[0]), Kind(statement, statement.Words[1]), isBefore, statement.Inner)
        {
            Skip = (int)number - 1,
        });
    }

    private static int Receiver(Statement statement, string path) => path switch
    {
        "a->b" => 1,
        "b->a" => 0,
        _ => throw statement.Wrong($"\"{path}\" is no direction; say a->b or b->a"),
    };

    private static FrameKind Kind(Statement statement, string word) =>
        Units.Named<FrameKind>(word) ?? throw statement.Wrong($"the protocol has no frame {word}");
}
