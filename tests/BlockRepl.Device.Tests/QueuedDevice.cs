using BlockRepl.Primitives;

namespace BlockRepl.Device.Tests;

/// <summary>Reads and writes through a device's queue wherever it takes them, one at a time for each thread, and by calls elsewhere. Owns the device.</summary>
internal sealed class QueuedDevice : FilterDevice, IDeviceCompletions
{
    private readonly IDeviceQueue _queue;

    public QueuedDevice(IBlockDevice inner)
        : base(inner)
    {
        _queue = inner.StartQueue(this)!;
        Assert.NotNull(_queue);
    }

    /// <summary>Requests that went through the queue.</summary>
    public int Queued;

    public override DiskResult Read(long offset, Span<byte> destination)
    {
        using var request = new Waiting(offset, destination.Length, isWrite: false);
        if (!_queue.TryBegin(request))
            return Inner.Read(offset, destination);
        DiskResult result = Await(request);
        if (result.IsOk)
            request.Buffer!.Span.CopyTo(destination);
        return result;
    }

    public override DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        using var request = new Waiting(offset, source.Length, isWrite: true) { IsForceUnitAccess = forceUnitAccess };
        source.CopyTo(request.Buffer!.Span);
        return _queue.TryBegin(request) ? Await(request) : Inner.Write(offset, source, forceUnitAccess);
    }

    public void Completed(ReadOnlySpan<DeviceRequest> requests)
    {
        foreach (DeviceRequest request in requests)
            ((Waiting)request).Done.Set();
    }

    private DiskResult Await(Waiting request)
    {
        _queue.Submit();
        Assert.True(request.Done.Wait(TimeSpan.FromSeconds(60)), "a request does not come back");
        Interlocked.Increment(ref Queued);
        return request.NeedsCall ? _queue.Finish(request) : request.Result;
    }

    private sealed class Waiting : DeviceRequest, IDisposable
    {
        public Waiting(long offset, int length, bool isWrite)
        {
            Offset = offset;
            Length = length;
            IsWrite = isWrite;
            Buffer = BlockBufferPool.Shared.Rent(length, BufferPurpose.Test);
        }

        public ManualResetEventSlim Done { get; } = new();

        public void Dispose()
        {
            Buffer!.Release();
            Done.Dispose();
        }
    }
}
