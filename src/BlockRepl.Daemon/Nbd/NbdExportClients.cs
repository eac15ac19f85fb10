using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Nbd;

/// <summary>
/// The connections of one export, and the rule that keeps a re-sent request from being undone by its first copy (hard part 8): a client
/// that lost patience closes connection 1 and sends the same requests on connection 2. Before connection 2 submits anything,
/// every other connection whose client has hung up is dead: it never submits again, and a Submit that it is in the middle of has
/// returned, so that its place in the export's order is before.
/// </summary>
/// <remarks>
/// The operating system tells a hang-up behind unread data: POLLRDHUP is set as soon as the client's close is known here. Over TCP
/// that is when its FIN or RST arrives; a client whose host loses both may be noticed late. Locks: a leaf, but for the
/// zero-time-out poll inside it; sockets leave the group before they are closed, so that no foreign descriptor is polled.
/// </remarks>
internal sealed unsafe class NbdExportClients
{
    private readonly object _gate = new();
    private readonly List<NbdExportClient> _members = [];

    /// <summary>How many connections the export has.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _members.Count;
        }
    }

    /// <summary>Adds a connection.</summary>
    public NbdExportClient Join(int fd)
    {
        var member = new NbdExportClient(this, fd);
        lock (_gate)
            _members.Add(member);
        return member;
    }

    /// <summary>Removes a connection that will not submit again; afterwards its socket may be closed.</summary>
    public void Leave(NbdExportClient member)
    {
        lock (_gate)
        {
            _members.Remove(member);
            member.IsDead = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Lets a connection submit no more. Does not wait for a Submit in progress.</summary>
    public void Kill(NbdExportClient member)
    {
        lock (_gate)
        {
            member.IsDead = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>
    /// Must be true before a batch is submitted, and be followed by <see cref="EndSubmit"/>. May wait for the Submit of a connection
    /// whose client is gone.
    /// </summary>
    public bool TryBeginSubmit(NbdExportClient member)
    {
        lock (_gate)
        {
            while (!member.IsDead)
            {
                if (_members.Count == 1 || !HasDeadSubmitter(member))
                {
                    member.IsSubmitting = true;
                    return true;
                }

                Monitor.Wait(_gate);
            }

            return false;
        }
    }

    /// <summary>The batch is in the export's order.</summary>
    public void EndSubmit(NbdExportClient member)
    {
        lock (_gate)
        {
            Check.That(member.IsSubmitting, "EndSubmit without TryBeginSubmit");
            member.IsSubmitting = false;
            if (_members.Count > 1)
                Monitor.PulseAll(_gate);
        }
    }

    private bool HasDeadSubmitter(NbdExportClient asker)
    {
        BuryHungUp(asker);
        foreach (NbdExportClient other in _members)
        {
            if (other != asker && other.IsDead && other.IsSubmitting)
                return true;
        }

        return false;
    }

    private void BuryHungUp(NbdExportClient asker)
    {
        const int EntriesMax = 64;
        NbdNative.PollEntry* entries = stackalloc NbdNative.PollEntry[EntriesMax];
        for (int from = 0; from < _members.Count; from += EntriesMax)
        {
            int count = Math.Min(EntriesMax, _members.Count - from);
            for (int i = 0; i < count; i++)
            {
                NbdExportClient other = _members[from + i];
                // A negative descriptor is skipped by poll.
                entries[i] = new NbdNative.PollEntry
                {
                    Fd = other == asker || other.IsDead ? -1 : other.Fd,
                    Events = NbdNative.PollReadHangUp,
                };
            }

            while (NbdNative.Poll(entries, (nuint)count, 0) < 0)
                Check.That(NbdNative.Errno == NbdNative.Eintr, "poll failed");
            for (int i = 0; i < count; i++)
            {
                if (entries[i].Returned != 0) // POLLRDHUP, POLLHUP or POLLERR
                    _members[from + i].IsDead = true;
            }
        }
    }
}
