using BlockRepl.Scenarios.Language;
using BlockRepl.Scenarios.Verbs;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>
/// One run of a script: a cluster, what its clients wrote, what was seen. Used by one thread. Throws <see cref="ScenarioException"/> when the script is wrong or
/// something that it expects does not hold.
/// </summary>
public sealed class Scenario
{
    private const long CommandPatienceMs = 60_000;
    private const long TickMs = 250;
    private readonly Script _script;
    private readonly ulong _seed;
    private readonly int _faultStep;
    private ClusterHarness? _cluster;
    private Stepper? _stepper;
    private IReadOnlyList<Statement> _armed = [];
    private int _armedSteps;
    private int _armedStatements;
    private Statement? _current;

    /// <param name="script">What to do.</param>
    /// <param name="seed">Draws the order in which things happen; 0 for the fixed order.</param>
    /// <param name="faultStep">After how many steps the statements of <c>at-each-step</c> are carried out.</param>
    public Scenario(Script script, ulong seed = 0, int faultStep = 0)
    {
        _script = script;
        _seed = seed;
        _faultStep = faultStep;
    }

    /// <summary>What was seen.</summary>
    public Transcript Transcript { get; } = new();

    /// <summary>What clients wrote.</summary>
    public DataModel Data { get; } = new();

    /// <summary>What <c>volumes</c>, <c>set</c> and their like say before the cluster exists.</summary>
    public ClusterPlan Plan { get; } = new();

    /// <summary>Snapshots by name.</summary>
    public Dictionary<string, (SimulatedDisk[] Disks, SimulatedMetadata[] Metadata)> Snapshots { get; } = new(StringComparer.Ordinal);

    /// <summary>Blocks that the script has damaged behind everybody's back.</summary>
    public HashSet<(int Volume, long Block)> Corrupted { get; } = [];

    /// <summary>Answers to commands and requests that are still to be noted.</summary>
    public PendingAnswers Answers { get; } = new();

    /// <summary>The script says why its end is not to be healed and checked; null if it is.</summary>
    public string? LeftAsIs { get; set; }

    /// <summary>No node may ever say "split brain".</summary>
    public bool ForbidsSplitBrain { get; set; }

    /// <summary>Some statement said <c>at-each-step</c>.</summary>
    public bool HasSteps { get; private set; }

    /// <summary>There was nothing left to step through when the statements of <c>at-each-step</c> were carried out.</summary>
    public bool IsLastStep { get; private set; }

    /// <summary>The cluster; there is none before <c>create</c>.</summary>
    public ClusterHarness Cluster => _cluster ?? throw _current!.Wrong("there is no cluster yet: begin with \"create\" or \"in-sync\"");

    /// <summary>What happens next.</summary>
    public Stepper Stepper => Cluster is not null ? _stepper! : null!;

    /// <summary>The cluster exists.</summary>
    public bool IsCreated => _cluster is not null;

    /// <summary>Runs the script and then, unless it says otherwise, heals and checks.</summary>
    public void Run()
    {
        foreach (Statement statement in _script.Statements)
        {
            Transcript.Statement(statement.Text);
            Execute(statement);
            Observe(statement);
        }

        Statement end = _script.Statements[^1] with { Text = "(the end)", Where = $"{_script.Name}:end" };
        _current = end;
        if (_armed.Count > 0)
            throw end.Wrong("\"at-each-step\" is followed by nothing");
        if (_cluster is not null && LeftAsIs is null)
        {
            Transcript.Statement("(heal and settle)");
            Ending.Heal(this);
            Observe(end);
            Ending.Check(this, end);
        }

        if (ForbidsSplitBrain && Transcript.HasSeenSplitBrain)
            throw end.Wrong("a split brain was seen");
    }

    /// <summary>Builds the cluster that the script has described.</summary>
    public void Create()
    {
        if (_cluster is not null)
            throw _current!.Wrong("there is a cluster already");
        _cluster = Plan.Build(_seed);
        _stepper = new Stepper(_cluster, _seed)
        {
            OnStepped = () => Observe(_current!),
            OnBeforeStep = FireArmed,
            Execute = statement =>
            {
                Transcript.Note($"[{statement.Text}]");
                VerbTable.Execute(this, statement with { IsBegun = true });
            },
        };
    }

    /// <summary>Carries out the statements at each step of the next statement or statements, one step a run of the script.</summary>
    public void Arm(IReadOnlyList<Statement> statements, int over)
    {
        _armedStatements = over;
        if (HasSteps)
            throw _current!.Wrong("one \"at-each-step\" a script");
        HasSteps = true;
        _armed = statements;
        _armedSteps = -1;
    }

    /// <summary>Lets everything happen that can without time passing, unless the statement is only begun.</summary>
    public void Settle(Statement statement)
    {
        if (!statement.IsBegun)
            Stepper.Run();
    }

    /// <summary>Lets time pass in small steps until something holds or the patience is over. Returns whether it holds.</summary>
    public bool RunUntil(Func<bool> holds, long patienceMs = CommandPatienceMs)
    {
        Stepper.Run();
        for (long passed = 0; passed < patienceMs && !holds(); passed += TickMs)
            Stepper.Tick(TickMs);
        return holds();
    }

    /// <summary>Lets this much time pass.</summary>
    public void RunFor(long milliseconds)
    {
        Stepper.Run();
        for (long passed = 0; passed < milliseconds; passed += TickMs)
            Stepper.Tick(Math.Min(TickMs, milliseconds - passed));
    }

    /// <summary>The node that a word names: a is alpha, b is beta.</summary>
    public SimulatedNode Node(Statement statement, string word) =>
        TryNode(word) ?? throw statement.Wrong($"\"{word}\" is no node; say a or b");

    /// <summary>The node that a word names, or null.</summary>
    public SimulatedNode? TryNode(string word) => word switch
    {
        "a" => Cluster.Alpha,
        "b" => Cluster.Beta,
        _ => null,
    };

    /// <summary>How scripts call a node.</summary>
    public static string NameOf(SimulatedNode node) => node.Index == 0 ? "a" : "b";

    private void Execute(Statement statement)
    {
        _current = statement;
        bool wasArmed = _armed.Count > 0;
        if (wasArmed && _armedSteps < 0)
            _armedSteps = 0;
        try
        {
            VerbTable.Execute(this, statement);
            if (_armed.Count > 0 && wasArmed && --_armedStatements == 0)
            {
                // The statement had fewer steps than this run was to let pass: the fault comes after the last.
                IsLastStep = true;
                Fire();
                Settle(statement);
            }
        }
        catch (Exception e) when (e is not ScenarioException)
        {
            throw statement.Wrong($"{e.GetType().Name}: {e.Message}\n{e.StackTrace}");
        }
    }

    private bool FireArmed()
    {
        if (_armed.Count == 0 || _armedSteps < 0 || _armedSteps++ < _faultStep)
            return false;
        Fire();
        return true;
    }

    private void Fire()
    {
        IReadOnlyList<Statement> statements = _armed;
        _armed = [];
        foreach (Statement statement in statements)
            Stepper.Execute(statement);
        Observe(_current!);
    }

    private void Observe(Statement statement)
    {
        if (_cluster is null)
            return;
        Transcript.Observe("a", _cluster.Alpha);
        Transcript.Observe("b", _cluster.Beta);
        Answers.Note(Transcript);
        if (Invariants.Check(_cluster, Corrupted) is { } broken)
            throw statement.Wrong(broken);
    }
}
