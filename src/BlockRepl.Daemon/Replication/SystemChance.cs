using System.Runtime.InteropServices;
using System.Security.Cryptography;
using BlockRepl.Core;

namespace BlockRepl.Daemon.Replication;

/// <summary>Random numbers of the operating system. Thread-safe.</summary>
public sealed class SystemChance : IChance
{
    /// <inheritdoc/>
    public ulong NextUInt64()
    {
        ulong value = 0;
        RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(new Span<ulong>(ref value)));
        return value;
    }
}
