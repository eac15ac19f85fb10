using BlockRepl.Primitives;

namespace BlockRepl.Device.Tests;

/// <summary>The queue of a direct disk: depth, threads that end, hangs, sleep, allocation.</summary>
public sealed class DirectQueueTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TestMounts _mounts = new();

    public void Dispose() => _mounts.Dispose();

    /// <summary>More at once than the ring has places for; each comes back once, with its own bytes.</summary>
    [Fact]
    public void Many_requests_at_once_all_come_back()
    {
        const int Count = 1000;
        using IBlockDevice device = DirectFileDeviceTests.Open(_mounts.Directory.File("disk", Count * 4096));
        var observer = new Counting(Count);
        IDeviceQueue queue = device.StartQueue(observer)!;
        BlockBuffer data = BlockBufferPool.Shared.Rent(Count * 4096 + 8, BufferPurpose.Test);
        BlockBuffer back = BlockBufferPool.Shared.Rent(Count * 4096, BufferPurpose.Test);
        Random random = new(5);
        random.NextBytes(data.Span);
        foreach (bool isWrite in new[] { true, false })
        {
            // Written from odd addresses, as a peer's message has them.
            for (int i = 0; i < Count; i++)
            {
                Assert.True(queue.TryBegin(new DeviceRequest
                {
                    IsWrite = isWrite,
                    Offset = i * 4096L,
                    Length = 4096,
                    Buffer = isWrite ? data : back,
                    BufferOffset = i * 4096 + (isWrite ? 5 : 0),
                    IsForceUnitAccess = isWrite && i % 50 == 0,
                }));
            }

            Assert.False(queue.IsIdle);
            queue.Submit();
            observer.Await();
            Assert.True(queue.IsIdle);
        }

        Assert.True(back.Span.SequenceEqual(data.Span.Slice(5, back.Length)));
        Assert.Equal(0, observer.Failures);
        Assert.False(queue.TryBegin(new DeviceRequest { Offset = 512, Length = 512, Buffer = back }));
        Assert.False(queue.TryBegin(new DeviceRequest { Offset = 0, Length = 4096, Buffer = back, BufferOffset = 5 }));
        Assert.Throws<BugException>(() => queue.TryBegin(new DeviceRequest { Offset = Count * 4096L, Length = 4096, Buffer = back }));
        data.Release();
        back.Release();
        Assert.Equal(0, BlockBufferPool.Shared.Rented(BufferPurpose.DirectIo));
    }

    /// <summary>A client's thread begins requests and ends: what it began is carried out. The kernel would cancel what a thread itself has submitted.</summary>
    [Fact]
    public void Requests_outlive_the_thread_that_began_them()
    {
        const int Count = 200;
        string path = Path.Combine(_mounts.FileSystem(16 << 20), "disk");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(path, Count * 4096, out _));
        using IBlockDevice device = DirectFileDeviceTests.Open(path);
        var observer = new Counting(Count);
        IDeviceQueue queue = device.StartQueue(observer)!;
        BlockBuffer data = BlockBufferPool.Shared.Rent(4096, BufferPurpose.Test);
        data.Span.Fill(7);
        for (int round = 0; round < 20; round++)
        {
            int first = round * 10;
            var client = new Thread(() =>
            {
                // Into holes: the kernel hands these to workers of the submitting thread.
                for (int i = first; i < first + 10; i++)
                    Assert.True(queue.TryBegin(new DeviceRequest { IsWrite = true, Offset = i * 4096L, Length = 4096, Buffer = data }));
                queue.Submit();
            });
            client.Start();
            client.Join();
        }

        observer.Await();
        Assert.Equal(0, observer.Failures);
        byte[] back = new byte[Count * 4096];
        Assert.True(device.Read(0, back).IsOk);
        Assert.False(back.AsSpan().ContainsAnyExcept((byte)7));
        data.Release();
    }

    /// <summary>A request that is begun just when the ring's thread is about to wait is not forgotten.</summary>
    [Fact]
    public void No_request_is_slept_over()
    {
        using IBlockDevice device = DirectFileDeviceTests.Open(_mounts.Directory.File("disk", 1 << 20));
        var observer = new Spinning();
        IDeviceQueue queue = device.StartQueue(observer)!;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(4096, BufferPurpose.Test);
        var request = new DeviceRequest { Offset = 0, Length = 4096, Buffer = buffer };
        long end = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
        for (int round = 0; round < 20_000; round++)
        {
            Assert.True(queue.TryBegin(request));
            queue.Submit();
            while (observer.Done <= round)
            {
                if (Environment.TickCount64 > end)
                    Assert.Fail($"request {round} does not come back");
            }

            // As long as the thread needs to get from its last completion to its sleep, more or less.
            Thread.SpinWait(round % 200);
        }

        buffer.Release();
    }

    /// <summary>Hard part 17: a file system that stands still. Closing does not wait for ever; the buffer stays the kernel's until the request has come back.</summary>
    [Fact]
    public void Hard_part_17_a_request_that_hangs_holds_up_only_itself_and_is_waited_for()
    {
        string mount = _mounts.FileSystem(16 << 20);
        string path = Path.Combine(mount, "disk");
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(path, 1 << 20, out _));
        IBlockDevice device = DirectFileDeviceTests.Open(path);
        var observer = new Counting(1);
        IDeviceQueue queue = device.StartQueue(observer)!;
        BlockBuffer data = BlockBufferPool.Shared.Rent(4096, BufferPurpose.Test);
        data.Span.Fill(9);
        TestMounts.Freeze(mount, () =>
        {
            Assert.True(queue.TryBegin(new DeviceRequest { IsWrite = true, Offset = 8192, Length = 4096, Buffer = data }));
            queue.Submit();

            // Reads go on, although a write hangs.
            byte[] back = new byte[4096];
            Assert.Equal(DiskResult.Ok, device.Read(0, back));
            Assert.False(queue.IsIdle);
            device.Dispose();
            Assert.False(queue.TryBegin(new DeviceRequest { IsWrite = true, Offset = 0, Length = 4096, Buffer = data }));
            Assert.Equal(1, observer.Left);
        });
        observer.Await();
        Assert.Equal(0, observer.Failures);
        data.Release();
        using IBlockDevice again = DirectFileDeviceTests.Open(path);
        byte[] late = new byte[4096];
        Assert.True(again.Read(8192, late).IsOk);
        Assert.Equal(9, late[0]);
    }

    [Fact]
    public void The_queue_allocates_nothing_on_either_thread()
    {
        using IBlockDevice device = DirectFileDeviceTests.Open(_mounts.Directory.File("disk", 1 << 20));
        var observer = new Measuring();
        IDeviceQueue queue = device.StartQueue(observer)!;
        BlockBuffer buffer = BlockBufferPool.Shared.Rent(8192, BufferPurpose.Test);
        DeviceRequest[] requests = [.. Enumerable.Range(0, 32).Select(i => new DeviceRequest
        {
            IsWrite = i % 2 == 0,
            Offset = i * 4096L,
            Length = 4096,
            Buffer = buffer,
            BufferOffset = i % 4 == 0 ? 3 : 0,
            IsForceUnitAccess = i % 8 == 0,
        })];
        long before = 0;
        for (int round = 0; round < 60; round++)
        {
            if (round == 40)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
                observer.Begin();
            }

            foreach (DeviceRequest request in requests)
            {
                if (!queue.TryBegin(request))
                    Assert.Fail("refused");
            }

            queue.Submit();
            observer.Await(requests.Length);
        }

        long here = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal((0L, 0L), (here, observer.Allocated));
        buffer.Release();
    }

    private sealed class Counting : IDeviceCompletions
    {
        private readonly object _lock = new();
        private readonly int _count;

        public Counting(int count)
        {
            _count = count;
            Left = count;
        }

        public int Left { get; private set; }

        public int Failures { get; private set; }

        public void Completed(ReadOnlySpan<DeviceRequest> requests)
        {
            lock (_lock)
            {
                foreach (DeviceRequest request in requests)
                    Failures += request.NeedsCall || !request.Result.IsOk ? 1 : 0;
                Left -= requests.Length;
                Monitor.PulseAll(_lock);
            }
        }

        public void Await()
        {
            long end = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
            lock (_lock)
            {
                while (Left > 0)
                    Assert.True(Monitor.Wait(_lock, (int)Math.Max(0, end - Environment.TickCount64)), $"{Left} requests do not come back");
                Left = _count;
            }
        }
    }

    private sealed class Spinning : IDeviceCompletions
    {
        private int _done;

        public int Done => Volatile.Read(ref _done);

        public void Completed(ReadOnlySpan<DeviceRequest> requests) => Volatile.Write(ref _done, _done + requests.Length);
    }

    private sealed class Measuring : IDeviceCompletions
    {
        private readonly object _lock = new();
        private int _done;
        private bool _isBegun;
        private long _before = -1;

        public long Allocated { get; private set; }

        public void Begin()
        {
            lock (_lock)
                _isBegun = true;
        }

        public void Completed(ReadOnlySpan<DeviceRequest> requests)
        {
            lock (_lock)
            {
                long now = GC.GetAllocatedBytesForCurrentThread();
                if (_isBegun && _before < 0)
                    _before = now;
                if (_isBegun)
                    Allocated = now - _before;
                _done += requests.Length;
                Monitor.PulseAll(_lock);
            }
        }

        public void Await(int count)
        {
            lock (_lock)
            {
                while (_done < count)
                    Monitor.Wait(_lock);
                _done -= count;
            }
        }
    }
}
