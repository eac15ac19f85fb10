using System.ComponentModel;

namespace BlockRepl.Daemon.Nbd;

/// <summary>
/// One thread for the whole server that sends replies to clients whose sockets were full, so that a client which does not read
/// never holds up the thread that completed its request. It also hangs up those that read nothing for too long. Started by the
/// first full socket; idle otherwise.
/// </summary>
internal sealed unsafe class NbdReplyWriter : IDisposable
{
    private const int StallCheckMs = 500;

    private readonly object _gate = new();
    private readonly List<NbdReplyQueue> _stuck = [];
    private readonly int _wakeFd;
    private readonly long _stallMs;
    private Thread? _thread;
    private bool _stopping;

    public NbdReplyWriter(TimeSpan stallTimeout)
    {
        _stallMs = stallTimeout == Timeout.InfiniteTimeSpan ? long.MaxValue : (long)stallTimeout.TotalMilliseconds;
        _wakeFd = NbdNative.EventFd(0, NbdNative.EventNonBlock | NbdNative.EventCloseOnExec);
        if (_wakeFd < 0)
            throw new Win32Exception(NbdNative.Errno);
    }

    /// <summary>Takes over the unsent replies of a connection. Never blocks.</summary>
    public void Register(NbdReplyQueue queue)
    {
        lock (_gate)
        {
            if (queue.IsRegistered || _stopping)
                return;
            queue.IsRegistered = true;
            _stuck.Add(queue);
            if (_thread is null)
            {
                _thread = new Thread(Run, 256 << 10) { IsBackground = true, Name = "nbd reply writer" };
                _thread.Start();
            }
        }

        Wake();
    }

    /// <summary>Forgets a connection that is about to close its socket.</summary>
    public void Remove(NbdReplyQueue queue)
    {
        lock (_gate)
        {
            _stuck.Remove(queue);
            queue.IsRegistered = false;
        }
    }

    /// <summary>Whether the client has read nothing for longer than allowed.</summary>
    public bool IsStalled(NbdReplyQueue queue)
    {
        long since = queue.StuckSinceMs;
        return since != 0 && Environment.TickCount64 - since >= _stallMs;
    }

    public void Dispose()
    {
        Thread? thread;
        lock (_gate)
        {
            _stopping = true;
            thread = _thread;
        }

        Wake();
        thread?.Join();
        _ = NbdNative.Close(_wakeFd);
    }

    private void Wake()
    {
        ulong one = 1;
        _ = NbdNative.Write(_wakeFd, &one, sizeof(ulong)); // fails only when it is already awake
    }

    private void Run()
    {
        var queues = new List<NbdReplyQueue>();
        var entries = new NbdNative.PollEntry[8];
        while (true)
        {
            lock (_gate)
            {
                if (_stopping)
                    return;
                queues.Clear();
                queues.AddRange(_stuck);
            }

            if (entries.Length < queues.Count + 1)
                entries = new NbdNative.PollEntry[queues.Count * 2];
            entries[0] = new NbdNative.PollEntry { Fd = _wakeFd, Events = NbdNative.PollIn };
            for (int i = 0; i < queues.Count; i++)
                entries[i + 1] = new NbdNative.PollEntry { Fd = queues[i].Fd, Events = NbdNative.PollOut };
            fixed (NbdNative.PollEntry* first = entries)
                _ = NbdNative.Poll(first, (nuint)(queues.Count + 1), queues.Count > 0 ? StallCheckMs : -1);
            if (entries[0].Returned != 0)
            {
                ulong count;
                _ = NbdNative.Read(_wakeFd, &count, sizeof(ulong));
            }

            for (int i = 0; i < queues.Count; i++)
                Serve(queues[i], isReady: entries[i + 1].Returned != 0);
        }
    }

    private void Serve(NbdReplyQueue queue, bool isReady)
    {
        if (!isReady)
        {
            if (IsStalled(queue))
                queue.ReportStall();
            return;
        }

        // Forget it first: if another thread is sending, that one registers it again when the socket is full.
        lock (_gate)
        {
            if (!queue.IsRegistered)
                return;
            _stuck.Remove(queue);
            queue.IsRegistered = false;
        }

        queue.Flush();
    }
}
