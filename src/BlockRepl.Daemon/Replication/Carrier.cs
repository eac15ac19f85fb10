using BlockRepl.Core;
using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// What one thread needs while it brings an event and carries the effects out: reused, one per thread and resource runtime in use at a time.
/// </summary>
internal sealed class Carrier
{
    [ThreadStatic]
    private static Stack<Carrier>? _idle;

    /// <summary>Effects of the events just applied.</summary>
    public EffectQueue Effects { get; } = new();

    /// <summary>Completions of disk operations done inline, to be applied in one visit to the gate.</summary>
    public List<CoreEvent> Completions { get; } = new(64);

    /// <summary>Links that got something to send.</summary>
    public List<PeerLink> Links { get; } = new(4);

    /// <summary>Links to close once what was queued on them is sent.</summary>
    public List<PeerLink> Closing { get; } = new(2);

    /// <summary>A link that a new one has just replaced; Core's last effects for it may still come.</summary>
    public PeerLink? Replaced { get; set; }

    /// <summary>Connections that got replies, not yet flushed.</summary>
    public List<INbdReplySink> Sinks { get; } = new(16);

    /// <summary>Queues of disks in which something was begun and not yet submitted.</summary>
    public List<DiskQueue> Queues { get; } = new(4);

    /// <summary>A change that waits for whether another comes with it: alone it is carried out inline, else in the disk's queue.</summary>
    public ChangeRequest? Held { get; set; }

    /// <summary>Something that status shows has changed.</summary>
    public bool StateChanged { get; set; }

    /// <summary>This thread has more to do than wait for a data disk: the timer, the metadata's. Writes go to the writer.</summary>
    public bool MustNotBlock { get; set; }

    /// <summary>More has come to this thread than the one change it brings: that goes to the disk's queue, so that the disk works while this thread takes the next.</summary>
    public bool MoreComes { get; set; }

    /// <summary>Flushes are carried out by this thread, not handed to the flusher: nothing else waits for it.</summary>
    public bool FlushesInline { get; set; }

    /// <summary>Lets go of what was begun in disks' queues.</summary>
    public void SubmitQueues()
    {
        foreach (DiskQueue queue in Queues)
            queue.Submit();
        Queues.Clear();
    }

    /// <summary>One of this thread's, or a new one.</summary>
    public static Carrier Rent() => (_idle ??= new Stack<Carrier>()).TryPop(out Carrier? carrier) ? carrier : new Carrier();

    /// <summary>Gives one back to the thread that rented it.</summary>
    public static void Return(Carrier carrier)
    {
        carrier.FlushesInline = false;
        carrier.MoreComes = false;
        carrier.MustNotBlock = false;
        _idle!.Push(carrier);
    }
}
