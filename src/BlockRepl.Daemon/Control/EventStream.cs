using System.IO.Pipelines;

namespace BlockRepl.Daemon.Control;

/// <summary>Writes a subscription to a caller, a line an event.</summary>
internal static class EventStream
{
    /// <summary>The last line for a listener that was cut.</summary>
    private static readonly StatusEvent Cut =
        new("cut", "-", "", [new StatusField("reason", "this listener was too slow; events were lost, ask again")]);

    /// <summary>
    /// Writes the dump and, unless <paramref name="onlyDump"/>, every change of <paramref name="resource"/> (null is all) until the
    /// listener is cut or <paramref name="ends"/> fires. A caller that does not read is aborted by Kestrel's minimum data rate.
    /// </summary>
    public static async Task WriteAsync(
        EventSubscription subscription, string? resource, bool onlyDump, PipeWriter output, CancellationToken ends)
    {
        foreach (var one in subscription.Dump)
            Write(one);
        await output.FlushAsync(ends);
        if (onlyDump)
            return;
        while (await subscription.Changes.WaitToReadAsync(ends))
        {
            while (subscription.Changes.TryRead(out var change))
            {
                Write(change);
                // Only what was flushed has left this process; without this a cut-off listener would be buffered for.
                await output.FlushAsync(ends);
            }
        }
        if (!subscription.WasCut)
            return;
        StatusEventJson.WriteLine(output, Cut);
        await output.FlushAsync(ends);

        void Write(StatusEvent one)
        {
            if (resource is null || one.Resource.Length == 0 || one.Resource == resource)
                StatusEventJson.WriteLine(output, one);
        }
    }
}
