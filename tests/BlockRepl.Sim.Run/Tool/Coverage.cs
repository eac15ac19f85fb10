using BlockRepl.Primitives;

namespace BlockRepl.Sim.Run;

/// <summary>
/// Which transitions between states runs have taken. The tables hold the legal ones; one that is taken and stands in no table is a violation. Names are those of <c>status</c>.
/// </summary>
internal sealed class Coverage
{
    private static readonly string[] Roles = ["Secondary>Primary", "Primary>Secondary"];

    private readonly SortedDictionary<string, long> _taken = new(StringComparer.Ordinal);

    private static readonly HashSet<string> Legal =
    [
        .. Roles.Select(static step => $"role {step}"),
        .. Connections().Select(static step => $"connection {step}"),
        .. Transitions.Disk.Select(static step => $"disk {step}"),
        .. Transitions.Replication.Select(static step => $"replication {step}"),
    ];

    /// <summary>A transition was taken.</summary>
    public void Take(string machine, string from, string to)
    {
        string key = $"{machine} {from}>{to}";
        if (!Legal.Contains(key))
            throw new ViolationException("states", $"{machine}: {from} does not lead to {to}");
        _taken[key] = _taken.GetValueOrDefault(key) + 1;
    }

    /// <summary>Adds another's.</summary>
    public void Add(Coverage other)
    {
        foreach ((string key, long count) in other._taken)
            _taken[key] = _taken.GetValueOrDefault(key) + count;
    }

    /// <summary>The report.</summary>
    public void Print(TextWriter to)
    {
        Print(to, "role", Roles);
        Print(to, "connection", Connections());
        Print(to, "disk", Transitions.Disk);
        Print(to, "replication", Transitions.Replication);
    }

    private void Print(TextWriter to, string machine, IReadOnlyCollection<string> legal)
    {
        string[] taken = [.. _taken.Keys.Where(key => key.StartsWith(machine + " ", StringComparison.Ordinal)).Select(key => key[(machine.Length + 1)..])];
        string[] never = [.. legal.Except(taken)];
        string[] unknown = [.. taken.Except(legal)];
        to.WriteLine($"{machine}: {legal.Count - never.Length} of {legal.Count} legal transitions taken{(never.Length > 0 ? "; never: " + string.Join(", ", never) : "")}{(unknown.Length > 0 ? "; in no table: " + string.Join(", ", unknown) : "")}");
    }

    private static List<string> Connections()
    {
        List<string> legal = [];
        foreach (ConnectionState from in Enum.GetValues<ConnectionState>())
        {
            foreach (ConnectionState to in Enum.GetValues<ConnectionState>())
            {
                if (Core.ConnectionStates.IsLegal(from, to))
                    legal.Add($"{from}>{to}");
            }
        }

        return legal;
    }
}
