namespace BlockRepl.Sim.Run;

/// <summary>What runs have done; adds up over seeds.</summary>
internal sealed class Statistics
{
    private readonly long[] _faults = new long[Enum.GetValues<Fault>().Length];

    public long Seeds { get; set; }

    public long Operations { get; set; }

    public long FailedOperations { get; set; }

    public long SimulatedUs { get; set; }

    public long Promotions { get; set; }

    public long Resyncs { get; set; }

    public long SplitBrains { get; set; }

    public long LateOperations { get; set; }

    public long RecordChecks { get; set; }

    public long IdenticalChecks { get; set; }

    public long Connections { get; set; }

    /// <summary>Transitions taken.</summary>
    public Coverage Coverage { get; } = new();

    /// <summary>Faults injected.</summary>
    public long Faults => _faults.Sum();

    /// <summary>A fault has happened.</summary>
    public void Count(Fault fault) => _faults[(int)fault]++;

    /// <summary>Adds another's numbers to these.</summary>
    public void Add(Statistics other)
    {
        Seeds += other.Seeds;
        Operations += other.Operations;
        FailedOperations += other.FailedOperations;
        SimulatedUs += other.SimulatedUs;
        Promotions += other.Promotions;
        Resyncs += other.Resyncs;
        SplitBrains += other.SplitBrains;
        LateOperations += other.LateOperations;
        RecordChecks += other.RecordChecks;
        IdenticalChecks += other.IdenticalChecks;
        Connections += other.Connections;
        for (int i = 0; i < _faults.Length; i++)
            _faults[i] += other._faults[i];
        Coverage.Add(other.Coverage);
    }

    /// <summary>The report.</summary>
    public void Print(TextWriter to, double seconds)
    {
        to.WriteLine(FormattableString.Invariant(
            $"{Seeds} seeds, {Seeds / seconds:F1} a second; {SimulatedUs / 3.6e9:F2} simulated hours, {SimulatedUs / 1e6 / seconds:F0} times as fast as time"));
        to.WriteLine(FormattableString.Invariant(
            $"{Operations} client operations ({FailedOperations} of them failed), {Operations / seconds:F0} a second; {Promotions} promotions, {Connections} connections, {Resyncs} resyncs, {SplitBrains} split brains found"));
        to.WriteLine($"{RecordChecks} times every difference was looked up in the metadata (G8), {IdenticalChecks} times both disks were compared (G5); {LateOperations} operations landed on disks that had been given up");
        to.WriteLine($"{Faults} faults and deeds: {string.Join(", ", Enum.GetValues<Fault>().Where(fault => _faults[(int)fault] > 0).Select(fault => $"{fault} {_faults[(int)fault]}"))}");
        IEnumerable<Fault> never = Enum.GetValues<Fault>().Where(fault => _faults[(int)fault] == 0);
        if (never.Any())
            to.WriteLine($"never: {string.Join(", ", never)}");
        Coverage.Print(to);
    }
}
