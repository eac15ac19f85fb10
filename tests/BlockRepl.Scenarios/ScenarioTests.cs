using BlockRepl.Scenarios.Language;

namespace BlockRepl.Scenarios;

/// <summary>One test a script. The promises G1 to G13 that a script is about stand in its first lines.</summary>
public class ScenarioTests
{
    public static TheoryData<string> Passing => [.. ScenarioRunner.Scripts("scripts")];

    [Theory]
    [MemberData(nameof(Passing))]
    public void Script(string name)
    {
        ScenarioException? failure = Record.Exception(() => ScenarioRunner.Run("scripts", name)) switch
        {
            null => null,
            ScenarioException e => e,
            { } other => throw new InvalidOperationException($"{name}: {other}", other),
        };
        Assert.True(failure is null, failure?.Message);
    }
}
