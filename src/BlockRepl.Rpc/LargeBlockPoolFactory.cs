using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace BlockRepl.Rpc;

/// <summary>Gives all of Kestrel's parts the same pool.</summary>
internal sealed class LargeBlockPoolFactory : IMemoryPoolFactory<byte>
{
    // Lives as long as the process; what its users dispose of is only their view of it.
    private static readonly LargeBlockPool Pool = new();

    /// <inheritdoc/>
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => Pool;
}
