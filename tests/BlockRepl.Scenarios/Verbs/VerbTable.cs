using BlockRepl.Scenarios.Language;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>Every word that a statement may begin with.</summary>
public static class VerbTable
{
    private static readonly Dictionary<string, Action<Scenario, Statement>> Verbs = new(StringComparer.Ordinal);

    static VerbTable()
    {
        SetupVerbs.AddTo(Verbs);
        ClientVerbs.AddTo(Verbs);
        NetworkVerbs.AddTo(Verbs);
        DisasterVerbs.AddTo(Verbs);
        TimeVerbs.AddTo(Verbs);
        Verbs["expect"] = Expectations.Execute;
    }

    /// <summary>Carries a statement out: a word of the language, else a verb of the engine. Throws <see cref="ScenarioException"/>.</summary>
    public static void Execute(Scenario scenario, Statement statement)
    {
        if (Verbs.TryGetValue(statement.Verb, out Action<Scenario, Statement>? verb))
            verb(scenario, statement);
        else if (!OperatorVerbs.TryExecute(scenario, statement))
            throw statement.Wrong($"neither the language nor the engine has a verb \"{statement.Verb}\"");
    }
}
