using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Adjust;

/// <summary>What an <c>adjust</c> will do, in order, or why it will do nothing at all.</summary>
internal sealed class AdjustPlan
{
    /// <summary>The steps, in the order in which they are taken.</summary>
    public List<AdjustStep> Steps { get; } = [];

    /// <summary>What cannot be changed online, a refusal each. While there is one nothing is touched.</summary>
    public List<ControlResult> Refusals { get; } = [];

    public void Add(string line, Func<Task<ControlResult>> run) => Steps.Add(new AdjustStep([line], run));

    public void Refuse(string message, string hint) => Refusals.Add(ControlResult.Refused(message, hint));
}
