using BlockRepl.Core;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Reads the local disk for a Primary that has none of its own: a few threads, so that one slow read does not hold up the next, started with the first read. Thread-safe.
/// </summary>
internal sealed class PeerReads(ResourceRuntime runtime) : IDisposable
{
    private const int Readers = 4;

    private readonly Lock _lock = new();
    private WorkerThread<ChangeRequest>[] _threads = [];
    private int _next;

    /// <summary>Takes a read; its completion is posted. Does not block.</summary>
    public void Add(ChangeRequest request)
    {
        lock (_lock)
        {
            if (_threads.Length == 0)
                _threads = [.. Enumerable.Range(0, Readers).Select(i => new WorkerThread<ChangeRequest>($"read{i}-{runtime.Settings.Name}", Read))];
            _threads[_next++ % Readers].Add(request);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (WorkerThread<ChangeRequest> thread in _threads)
                thread.Dispose();
        }
    }

    private void Read(ChangeRequest request)
    {
        ResyncChunk chunk = request.Chunk!;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(checked((int)chunk.Range.Length), BufferPurpose.PeerSend);
        chunk.Buffer = buffer;
        DiskResult result = runtime.Volumes[request.Volume.Value].Disk?.Read(chunk.Range.Offset, buffer.Span[..(int)chunk.Range.Length]) ?? DiskResult.Io;
        chunk.IsZeroes = result.IsOk && !buffer.Span[..(int)chunk.Range.Length].ContainsAnyExcept((byte)0);
        runtime.Post(new CoreEvent
        {
            Kind = CoreEventKind.PeerReadCompleted,
            NowMs = ResourceRuntime.NowMs,
            Volume = request.Volume,
            Subject = request,
            Result = result,
        });
    }
}
