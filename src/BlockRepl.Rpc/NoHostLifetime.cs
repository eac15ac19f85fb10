using Microsoft.Extensions.Hosting;

namespace BlockRepl.Rpc;

/// <summary>The server starts and stops with its owner, not with signals to the process.</summary>
internal sealed class NoHostLifetime : IHostLifetime
{
    /// <inheritdoc/>
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
