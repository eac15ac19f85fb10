using System.Diagnostics.CodeAnalysis;
using BlockRepl.Daemon.Nbd;
using BlockRepl.Nbd;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Cli.Tests.Demo;

/// <summary>The real NBD server with one export in memory. Its bytes are <see cref="Data"/>, for tests that damage them.</summary>
internal sealed class MemoryExport : INbdExport, INbdExportSource, IDisposable
{
    public const string Name = "demo/data";
    private readonly Daemon.Tests.Control.TemporaryDirectory _directory = new();
    private readonly NbdServer _server;
    private int _writesLeft = int.MaxValue;

    public MemoryExport(int sizeBytes)
    {
        Data = new byte[sizeBytes];
        Info = new NbdExportInfo { Name = Name, SizeBytes = sizeBytes };
        _server = new NbdServer(this, new NbdServerOptions(), NullLogger<NbdServer>.Instance);
        _server.ListenUnix(SocketPath);
    }

    public string SocketPath => _directory.File("nbd.sock");

    public byte[] Data { get; }

    public NbdExportInfo Info { get; }

    /// <summary>Requests with FUA, and flushes.</summary>
    public int ForcedWrites { get; private set; }

    public int Flushes { get; private set; }

    /// <summary>After this many writes every further one fails.</summary>
    public void FailAfter(int writes) => Volatile.Write(ref _writesLeft, writes);

    /// <summary>Hangs up on everybody.</summary>
    public void Stop() => _server.Stop("the test says so");

    public void Submit(ReadOnlySpan<NbdRequest> batch)
    {
        foreach (var request in batch)
        {
            lock (Data)
                request.Sink.Complete(request, Carry(request));
        }
    }

    public bool TryOpen(string name, INbdClient client, [NotNullWhen(true)] out INbdExport? export, out string refusal)
    {
        export = name == Name ? this : null;
        refusal = $"there is no export {name} here";
        return export is not null;
    }

    public IReadOnlyList<string> ListExports() => [Name];

    public void Closed(INbdExport export, INbdClient client)
    {
        // Nothing is kept for a client.
    }

    public void Dispose()
    {
        _server.Dispose();
        _directory.Dispose();
    }

    private NbdError Carry(NbdRequest request)
    {
        switch (request.Command)
        {
            case NbdCommand.Read:
                Data.AsSpan((int)request.Offset, (int)request.Length).CopyTo(request.Buffer!.Span);
                return NbdError.Ok;
            case NbdCommand.Write when _writesLeft-- <= 0:
                return NbdError.EIO;
            case NbdCommand.Write:
                request.Buffer!.Span.CopyTo(Data.AsSpan((int)request.Offset));
                ForcedWrites += request.IsForceUnitAccess ? 1 : 0;
                return NbdError.Ok;
            case NbdCommand.Flush:
                Flushes++;
                return NbdError.Ok;
            default:
                return NbdError.EINVAL;
        }
    }
}
