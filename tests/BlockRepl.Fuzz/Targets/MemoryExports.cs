using System.Diagnostics.CodeAnalysis;
using BlockRepl.Device;
using BlockRepl.Fuzz.Engine;
using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Fuzz.Targets;

/// <summary>One export in memory, which checks that nothing reaches it that should have been refused.</summary>
internal sealed class MemoryExports : INbdExportSource, INbdExport, IDisposable
{
    private readonly MemoryDevice _disk = new(NbdForge.ExportBytes);
    private int _open;

    public int Open => Volatile.Read(ref _open);

    public NbdExportInfo Info { get; } = new() { Name = NbdForge.ExportName, SizeBytes = NbdForge.ExportBytes, Description = "in memory" };

    public bool TryOpen(string name, INbdClient client, [NotNullWhen(true)] out INbdExport? export, out string refusal)
    {
        export = name == NbdForge.ExportName ? this : null;
        refusal = export is null ? "there is no such export" : "";
        if (export is not null)
            Interlocked.Increment(ref _open);
        return export is not null;
    }

    public IReadOnlyList<string> ListExports() => [NbdForge.ExportName];

    public void Closed(INbdExport export, INbdClient client) => Interlocked.Decrement(ref _open);

    public void Dispose() => _disk.Dispose();

    public void Submit(ReadOnlySpan<NbdRequest> batch)
    {
        foreach (NbdRequest request in batch)
        {
            Check.That(request.Offset >= 0 && request.Length <= NbdForge.ExportBytes && request.Offset <= NbdForge.ExportBytes - request.Length, "a range beyond the export");
            switch (request.Command)
            {
                case NbdCommand.Read:
                    _disk.Read(request.Offset, request.Buffer!.Span[..(int)request.Length]);
                    break;
                case NbdCommand.Write:
                    _disk.Write(request.Offset, request.Buffer!.Span[..(int)request.Length], forceUnitAccess: false);
                    break;
                case NbdCommand.Trim or NbdCommand.WriteZeroes:
                    _disk.Discard(request.Offset, request.Length);
                    break;
                case NbdCommand.BlockStatus:
                    request.AddExtent(request.Length, false, false);
                    break;
                case NbdCommand.Flush or NbdCommand.Cache:
                    break;
                default:
                    throw Check.Unreachable($"command {request.Command} reached the export");
            }

            request.Sink.Complete(request, NbdError.Ok);
        }
    }
}
