using System.Collections.Concurrent;
using BlockRepl.Nbd;

namespace BlockRepl.Conformance.Server;

/// <summary>A file whose requests are completed by other threads, out of order and each flushed at once: the worst of a replicated volume.</summary>
internal sealed class ThreadedExport : INbdExport, IDisposable
{
    private readonly FileExport _file;
    private readonly BlockingCollection<NbdRequest> _requests = [];
    private readonly Thread[] _workers;

    public ThreadedExport(FileExport file, int workers)
    {
        _file = file;
        _workers = [.. Enumerable.Range(0, workers).Select(_ => new Thread(Work) { IsBackground = true })];
        foreach (Thread worker in _workers)
            worker.Start();
    }

    public NbdExportInfo Info => _file.Info;

    public void Submit(ReadOnlySpan<NbdRequest> batch)
    {
        foreach (NbdRequest request in batch)
            _requests.Add(request);
    }

    public void Dispose()
    {
        _requests.CompleteAdding();
        foreach (Thread worker in _workers)
            worker.Join();
        _requests.Dispose();
        _file.Dispose();
    }

    private void Work()
    {
        foreach (NbdRequest request in _requests.GetConsumingEnumerable())
        {
            INbdReplySink sink = request.Sink;
            sink.Complete(request, _file.Carry(request));
            sink.Flush();
        }
    }
}
