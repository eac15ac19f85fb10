using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>A client of an export without a socket: submits one request at a time and waits for its answer.</summary>
internal sealed class Client(INbdExport export) : INbdReplySink, IDisposable
{
    private readonly NbdRequest _request = new();
    private readonly NbdRequest[] _batch = new NbdRequest[1];
    private readonly AutoResetEvent _answered = new(false);
    private readonly byte[] _data = new byte[64 << 10];
    private NbdError _error;

    public Span<byte> Data => _data;

    public NbdError Do(NbdCommand command, long offset, int length, NbdCommandFlags flags = 0)
    {
        _request.Begin(new NbdRequestHeader(flags, command, 1, (ulong)offset, (uint)length), this);

        // A buffer for each request, as a connection has it: the request's until it is answered.
        _request.Buffer = command is NbdCommand.Write or NbdCommand.Read ? BlockBufferPool.Shared.Rent(length, BufferPurpose.Test) : null;
        if (command == NbdCommand.Write)
            Data[..length].CopyTo(_request.Buffer!.Span);
        _batch[0] = _request;
        export.Submit(_batch);
        if (!_answered.WaitOne(20_000))
            Assert.Fail($"{command} was not answered");
        if (command == NbdCommand.Read)
            _request.Buffer!.Span[..length].CopyTo(Data);
        _request.Buffer?.Release();
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

    public void Dispose() => _answered.Dispose();
}
