using BlockRepl.Sim.Mixed;

namespace BlockRepl.Core.Tests;

/// <summary>
/// G1 to G11, G13: short histories, each rich in one kind of trouble, under fixed seeds. What they would find shows docs/canaries.md. A failure names what repeats it.
/// </summary>
public class MixedRunTests
{
    private const int Seeds = 30;

    public static TheoryData<string> Names => [.. Mix.All.Select(static mix => mix.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void No_promise_is_broken(string name)
    {
        Mix mix = Mix.All.First(m => m.Name == name);
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            var run = new MixedRun(seed, mix);
            try
            {
                run.Execute();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"tools/sim --mix {name} --seed {seed}: {e.Message}\n{run.History(60)}", e);
            }
        }
    }
}
