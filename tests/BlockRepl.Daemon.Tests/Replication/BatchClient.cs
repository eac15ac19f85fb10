using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>A client of an export without a socket that submits many requests at once, as one receive brings them, and waits for all answers. Allocates nothing once it is warm.</summary>
internal sealed class BatchClient : INbdReplySink, IDisposable
{
    private readonly INbdExport _export;
    private readonly NbdRequest[] _requests;
    private readonly NbdRequest[] _batch;
    private readonly object _lock = new();
    private int _count;
    private int _unanswered;
    private int _failed;
    private int _unasked;

    public BatchClient(INbdExport export, int requestsMax)
    {
        _export = export;
        _requests = [.. Enumerable.Range(0, requestsMax).Select(_ => new NbdRequest())];
        _batch = new NbdRequest[requestsMax];
    }

    /// <summary>Told of each answer, on the thread that brings it.</summary>
    public Action? Answered { get; set; }

    /// <summary>What the export is told when it asks.</summary>
    public bool HasMore { get; set; }

    /// <summary>Adds a request to the next batch. A write's bytes are put into the buffer that is returned.</summary>
    public Span<byte> Add(NbdCommand command, long offset, int length, NbdCommandFlags flags = 0)
    {
        NbdRequest request = _requests[_count];
        request.Begin(new NbdRequestHeader(flags, command, (ulong)_count, (ulong)offset, (uint)length), this);
        request.Buffer = command is NbdCommand.Write or NbdCommand.Read ? BlockBufferPool.Shared.Rent(length, BufferPurpose.Test) : null;
        _batch[_count++] = request;
        return request.Buffer is { } buffer ? buffer.Span : default;
    }

    /// <summary>Submits the batch without waiting.</summary>
    public void Submit()
    {
        lock (_lock)
        {
            _unanswered = _count;
            _failed = 0;
        }

        _export.Submit(_batch.AsSpan(0, _count));
    }

    /// <summary>Submits each request of the batch by itself, without waiting.</summary>
    public void SubmitOneByOne()
    {
        lock (_lock)
        {
            _unanswered = _count;
            _failed = 0;
        }

        for (int i = 0; i < _count; i++)
            _export.Submit(_batch.AsSpan(i, 1));
    }

    /// <summary>Waits for the answers; how many were errors.</summary>
    public int Await()
    {
        lock (_lock)
        {
            while (_unanswered > 0)
            {
                if (!Monitor.Wait(_lock, 20_000))
                    Assert.Fail($"{_unanswered} requests were not answered");
            }

            return _failed;
        }
    }

    /// <summary>What a read of the last batch brought.</summary>
    public Span<byte> Data(int index) => _requests[index].Buffer!.Span;

    /// <summary>Gives the buffers of the last batch back.</summary>
    public void Clear()
    {
        for (int i = 0; i < _count; i++)
            _requests[i].Buffer?.Release();
        _count = 0;
    }

    /// <summary>Submits, waits, gives back; how many were errors.</summary>
    public int Run()
    {
        Submit();
        int failed = Await();
        Clear();
        return failed;
    }

    public void Complete(NbdRequest request, NbdError error)
    {
        Answered?.Invoke();
        lock (_lock)
        {
            _failed += error == NbdError.Ok ? 0 : 1;
            _unasked += _unanswered == 0 ? 1 : 0;
            if (--_unanswered == 0)
                Monitor.PulseAll(_lock);
        }
    }

    public void Flush()
    {
    }

    /// <summary>No answer came twice, or to a request that was over.</summary>
    public void Dispose() => Assert.Equal((0, 0), (_count, Volatile.Read(ref _unasked)));
}
