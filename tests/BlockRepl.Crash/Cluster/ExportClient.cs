using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Cluster;

/// <summary>A client of an export without a socket: one request at a time, and its answer.</summary>
internal sealed class ExportClient(INbdExport export) : INbdReplySink, IDisposable
{
    public const int DataBytesMax = 64 << 10;

    private readonly NbdRequest _request = new();
    private readonly NbdRequest[] _batch = new NbdRequest[1];
    private readonly AutoResetEvent _answered = new(false);
    private readonly BlockBuffer _buffer = BlockBufferPool.Shared.Rent(DataBytesMax, BufferPurpose.Test);
    private NbdError _error;

    public Span<byte> Data => _buffer.Span;

    public NbdError Do(NbdCommand command, long offset, int length, NbdCommandFlags flags = 0)
    {
        _request.Begin(new NbdRequestHeader(flags, command, 1, (ulong)offset, (uint)length), this);
        _request.Buffer = command is NbdCommand.Write or NbdCommand.Read ? _buffer : null;
        _batch[0] = _request;
        export.Submit(_batch);
        if (!_answered.WaitOne(60_000))
            throw new TimeoutException($"{command} at {offset} was not answered");
        return _error;
    }

    public void Complete(NbdRequest request, NbdError error)
    {
        _error = error;
        _answered.Set();
    }

    public void Flush()
    {
    }

    public void Dispose()
    {
        _buffer.Release();
        _answered.Dispose();
    }
}
