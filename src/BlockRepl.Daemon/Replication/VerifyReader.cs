using BlockRepl.Core;
using BlockRepl.Device;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Daemon.Replication;

/// <summary>
/// Reads ranges of a comparison and digests them, on a thread of its own: changes of the range wait meanwhile, so it waits for nothing but the disk.
/// Holes are known to read as zeroes and are not read.
/// </summary>
internal sealed class VerifyReader : IDisposable
{
    private readonly ResourceRuntime _runtime;
    private readonly WorkerThread<ChangeRequest> _thread;

    public VerifyReader(ResourceRuntime runtime)
    {
        _runtime = runtime;
        _thread = new WorkerThread<ChangeRequest>($"verify-{runtime.Settings.Name}", Read);
    }

    /// <summary>Reads a range and reports it. Returns at once.</summary>
    public void Add(ChangeRequest request) => _thread.Add(request);

    /// <inheritdoc/>
    public void Dispose() => _thread.Dispose();

    private void Read(ChangeRequest request)
    {
        DiskResult result = Digest(request.Verify!, _runtime.Volumes[request.Volume.Value].Disk);
        _runtime.Post(new CoreEvent
        {
            Kind = CoreEventKind.VerifyReadCompleted,
            NowMs = ResourceRuntime.NowMs,
            Volume = request.Volume,
            Subject = request,
            Result = result,
        });
    }

    private static DiskResult Digest(VerifyChunk chunk, VolumeDisk? disk)
    {
        if (disk is null)
            return DiskResult.Io;
        ByteRange range = chunk.Range;
        DiskResult result = disk.GetExtent(range.Offset, range.Length, out DeviceExtent extent);
        if (!result.IsOk)
            return result;
        if (extent.IsHole && extent.Length >= range.Length)
        {
            BlockDigest.ComputeZeroes(range.Length, chunk.Digests);
            return DiskResult.Ok;
        }

        BlockBuffer buffer = BlockBufferPool.Shared.Rent(checked((int)range.Length), BufferPurpose.Resync);
        Span<byte> content = buffer.Span[..(int)range.Length];
        result = disk.Read(range.Offset, content);
        if (result.IsOk)
            BlockDigest.Compute(content, chunk.Digests);
        buffer.Release();
        return result;
    }
}
