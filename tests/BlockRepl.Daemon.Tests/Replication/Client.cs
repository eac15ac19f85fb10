using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>A client of an export without a socket: submits one request at a time and waits for its answer.</summary>
internal sealed class Client(INbdExport export) : INbdReplySink, IDisposable
{
    private readonly NbdRequest _request = new();
    private readonly NbdRequest[] _batch = new NbdRequest[1];
    private readonly SemaphoreSlim _answered = new(0);
    private readonly BlockBuffer _buffer = BlockBufferPool.Shared.Rent(64 << 10, BufferPurpose.Test);
    private NbdError _error;

    public Span<byte> Data => _buffer.Span;

    public NbdError Do(NbdCommand command, long offset, int length, NbdCommandFlags flags = 0)
    {
        _request.Begin(new NbdRequestHeader(flags, command, 1, (ulong)offset, (uint)length), this);
        _request.Buffer = command is NbdCommand.Write or NbdCommand.Read ? _buffer : null;
        _batch[0] = _request;
        export.Submit(_batch);
        Assert.True(_answered.Wait(TimeSpan.FromSeconds(20)), $"{command} was not answered");
        return _error;
    }

    public void Complete(NbdRequest request, NbdError error)
    {
        _error = error;
        _answered.Release();
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
