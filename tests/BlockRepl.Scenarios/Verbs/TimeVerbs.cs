using BlockRepl.Scenarios.Language;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>Time, and when things are to happen.</summary>
internal static class TimeVerbs
{
    private const long SettleMs = 120_000;

    public static void AddTo(Dictionary<string, Action<Scenario, Statement>> verbs)
    {
        verbs["run"] = static (s, t) => s.RunFor(Time(t));
        verbs["settle"] = static (s, _) => s.RunUntil(() => Ending.IsSettled(s.Cluster), SettleMs);
        verbs["at-each-step"] = static (s, t) => s.Arm(t.Inner, t.Words is [var over] ? (int)(Units.Size(over) ?? throw t.Wrong("of how many statements?")) : 1);
        verbs["within"] = Within;
    }

    private static void Within(Scenario scenario, Statement statement)
    {
        long patience = Time(statement);
        if (statement.Inner is not [{ Verb: "expect" } expectation])
            throw statement.Wrong("within TIME: expect ...");
        ScenarioException? last = null;
        bool Holds()
        {
            try
            {
                Expectations.Execute(scenario, expectation);
                return true;
            }
            catch (ScenarioException e)
            {
                last = e;
                return false;
            }
        }

        if (!scenario.RunUntil(Holds, patience))
            throw last!;
    }

    private static long Time(Statement statement) =>
        statement.Words is [var word] && Units.TimeMs(word) is { } ms ? ms : throw statement.Wrong("how long? 500ms, 5s, 2m");
}
