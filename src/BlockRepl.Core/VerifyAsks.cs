namespace BlockRepl.Core;

/// <summary>Comparisons that the peer was asked to begin, because its data counts, and the commands that wait for its answer.</summary>
internal sealed class VerifyAsks(ResourceContext context)
{
    private readonly List<Ask> _asks = [];

    /// <summary>One command: it is over when all its questions are answered.</summary>
    public sealed class Group(object? cookie)
    {
        public object? Cookie { get; } = cookie;

        public int Pending { get; set; }

        public CommandResult? Refusal { get; set; }

        public List<string> Said { get; } = [];
    }

    private sealed record Ask(PeerVolume PeerVolume, ulong Id, LinkId Link, Group Group, string Said);

    /// <summary>Asks the peer of a volume.</summary>
    public void Add(PeerVolume peerVolume, ulong id, Group group, string said)
    {
        group.Pending++;
        _asks.Add(new Ask(peerVolume, id, peerVolume.Peer.Link, group, said));
    }

    /// <summary>Refuses what was asked over a connection that is gone. Called after every event.</summary>
    public void DropLost()
    {
        for (int i = _asks.Count - 1; i >= 0; i--)
        {
            if (_asks[i].Link == _asks[i].PeerVolume.Peer.Link)
                continue;
            string peer = _asks[i].PeerVolume.Peer.Name;
            End(i, CommandResult.Refused($"{context.Settings.Name}: the connection to {peer} was lost before it had answered", "look at status, and try again"));
        }
    }

    /// <summary>The peer has begun what was asked, or refuses with a reason.</summary>
    public void Answer(PeerVolume peerVolume, ulong id, string? refusal)
    {
        int index = _asks.FindIndex(ask => ask.PeerVolume == peerVolume && ask.Id == id);
        if (index < 0)
            return;
        string name = $"{context.Settings.Name}/{peerVolume.Volume.Name}";
        End(index, refusal is null ? null : CommandResult.Refused($"{name}: {peerVolume.Peer.Name} does not compare: {refusal}", "look at status there"));
    }

    /// <summary>Ends a command whose questions are all answered.</summary>
    public void CompleteIfDone(Group group)
    {
        if (group.Pending == 0)
            context.CompleteCommand(group.Cookie, group.Refusal ?? new CommandResult(0, string.Join('\n', group.Said), ""));
    }

    private void End(int index, CommandResult? refusal)
    {
        Ask ask = _asks[index];
        _asks.RemoveAt(index);
        ask.Group.Pending--;
        ask.Group.Refusal ??= refusal;
        if (refusal is null)
            ask.Group.Said.Add(ask.Said);
        CompleteIfDone(ask.Group);
    }
}
