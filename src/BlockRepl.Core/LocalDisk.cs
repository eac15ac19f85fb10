using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>The local disk of each volume: flushes, completions, failure.</summary>
internal sealed class LocalDisk(ResourceContext context)
{
    private readonly List<FlushWaiter> _dropped = [];

    /// <summary>Set by <see cref="ResourceCore"/>: what each kind of waiter does when its flush is over.</summary>
    public Action<FlushWaiter, DiskResult> OnFlushed { get; set; } = (_, _) => { };

    /// <summary>Set by <see cref="ResourceCore"/>: the disk is no longer usable.</summary>
    public Action<Volume> OnFailed { get; set; } = _ => { };

    /// <summary>Asks for a flush that covers every change completed by now.</summary>
    public void Flush(Volume volume, FlushWaiter waiter)
    {
        if (!volume.HasDisk)
        {
            OnFlushed(waiter, DiskResult.Io);
            return;
        }

        volume.Flushes.Ask(waiter);
        StartFlushIfDue(volume);
    }

    /// <summary>A flush that was asked for is over.</summary>
    public void FlushCompleted(Volume volume, ulong ticket, DiskResult result)
    {
        List<FlushWaiter> covered = volume.Flushes.Finish(ticket);
        if (result.IsOk)
        {
            if (volume.LocalStable < volume.Flushes.Covers)
                volume.LocalStable = volume.Flushes.Covers;
        }
        else
        {
            // G1, hard part 12: the kernel may have dropped the pages. The disk is no longer to be believed.
            Fail(volume, $"flush failed: {result}");
        }

        for (int i = 0; i < covered.Count; i++)
            OnFlushed(covered[i], result);
        covered.Clear();
        StartFlushIfDue(volume);
    }

    /// <summary>An error of the local disk: it is not used any more (<c>on-io-error detach</c>).</summary>
    public void Fail(Volume volume, string why)
    {
        if (!volume.HasDisk && volume.Disk != DiskState.Attaching)
            return;
        context.Log($"{context.Settings.Name}/{volume.Name}: local disk failed and is detached: {why}");
        volume.Disk = DiskState.Failed;
        volume.HasFailed = true;
        context.StateChanged = true;
        ref Effect effect = ref context.Effects.Add(EffectKind.DetachDisk);
        effect.Volume = volume.Nr;
        effect.NotesLoss = true;
        OnFailed(volume);
        volume.Flushes.DropWaiting(_dropped);
        for (int i = 0; i < _dropped.Count; i++)
            OnFlushed(_dropped[i], DiskResult.Io);
        _dropped.Clear();
    }

    private void StartFlushIfDue(Volume volume)
    {
        if (volume.Flushes.Running != 0 || !volume.Flushes.HasWaiting || !volume.HasDisk)
            return;

        // Changes under way are not covered: the flush may pass them by.
        SequenceNumber covers = volume.Active.LowestSequence(new SequenceNumber(context.LastSequence.Value + 1));
        covers = new SequenceNumber(covers.Value - 1);
        ulong ticket = context.NextTicket();
        volume.Flushes.Start(ticket, covers);
        ref Effect effect = ref context.Effects.Add(EffectKind.LocalFlush);
        effect.Volume = volume.Nr;
        effect.Ticket = ticket;
        effect.IsBackground = volume.Flushes.RunsInBackground;
    }
}
