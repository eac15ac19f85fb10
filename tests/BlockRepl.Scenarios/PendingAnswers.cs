using BlockRepl.Sim;

namespace BlockRepl.Scenarios;

/// <summary>Commands and requests that were begun, so that their answers get into the transcript, and the last command of each node.</summary>
public sealed class PendingAnswers
{
    private readonly List<(string Name, IReadOnlyList<ClientRequest> Requests)> _requests = [];
    private readonly List<(string Name, CommandTicket Ticket)> _commands = [];
    private readonly Dictionary<int, CommandTicket> _last = [];

    /// <summary>A client asked for something.</summary>
    public void Add(string name, IReadOnlyList<ClientRequest> requests) => _requests.Add((name, requests));

    /// <summary>An operator asked for something.</summary>
    public void Add(string name, SimulatedNode node, CommandTicket ticket)
    {
        _commands.Add((name, ticket));
        _last[node.Index] = ticket;
    }

    /// <summary>The newest command of a node; null if there was none.</summary>
    public CommandTicket? LastOf(SimulatedNode node) => _last.GetValueOrDefault(node.Index);

    /// <summary>Notes what was answered since the last call.</summary>
    public void Note(Transcript transcript)
    {
        foreach ((string name, IReadOnlyList<ClientRequest> requests) in _requests.Where(static r => r.Requests.All(static q => q.Result is not null)))
        {
            IEnumerable<string> results = requests.GroupBy(static r => r.Result.ToString()!).Select(g => requests.Count == 1 ? g.Key : $"{g.Count()} {g.Key}");
            transcript.Note($"{name}: {string.Join(", ", results)}");
        }

        _requests.RemoveAll(static r => r.Requests.All(static q => q.Result is not null));
        foreach ((string name, CommandTicket ticket) in _commands.Where(static c => c.Ticket.Result is not null))
            transcript.Note($"{name}: {ticket.ExitCode}");
        _commands.RemoveAll(static c => c.Ticket.Result is not null);
    }
}
