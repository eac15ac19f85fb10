using System.Runtime.InteropServices;
using BlockRepl.Primitives;
using Microsoft.Win32.SafeHandles;

namespace BlockRepl.Device;

/// <summary>
/// An io_uring and the one thread that submits to it and reaps from it. Others hand requests over and wake it, many at a time. Owns every request in flight, and thereby keeps its buffer from
/// being freed, until the kernel has given it back: however late, and whoever has lost interest (hard part 17).
/// </summary>
/// <remarks>
/// The kernel ties a request to the thread that submitted it: when a thread ends, what has not begun is cancelled, and until then completions interrupt it wherever it waits. A client's
/// thread ends when its client goes, so none of those submits.
/// </remarks>
internal sealed unsafe class DirectQueue : IDeviceQueue, IDisposable
{
    // In flight at once; what is more waits here. Deeper than any one disk's own queue.
    private const int Depth = 256;

    private const int BatchMax = 64;
    private const ulong WakeUp = ulong.MaxValue;
    private const UringFeatures Needed = UringFeatures.Read | UringFeatures.Write;
    private const int CloseOnExec = 0x80000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly DirectFileDevice _device;
    private readonly SafeFileHandle _file;
    private readonly SafeFileHandle _forcedFile;
    private readonly Lock _gate = new();
    private readonly Queue<DeviceRequest> _waiting = new(Depth);
    private readonly DeviceRequest?[] _slots = new DeviceRequest?[Depth];
    private readonly int[] _freeSlots = new int[Depth];
    private readonly DeviceRequest[] _done = new DeviceRequest[BatchMax];
    private readonly NativeCalls.RingRequest[] _requests = GC.AllocateArray<NativeCalls.RingRequest>(BatchMax, pinned: true);
    private readonly NativeCalls.RingCompletion[] _completions = GC.AllocateArray<NativeCalls.RingCompletion>(BatchMax, pinned: true);
    private readonly ulong[] _woken = GC.AllocateArray<ulong>(1, pinned: true);
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _created = new();
    private SafeFileHandle? _event;
    private IDeviceCompletions? _observer;
    private nint _ring;
    private int _freeCount = Depth;
    private int _inFlight;
    private int _isAsleep;
    private bool _isListening;
    private bool _isClosing;

    /// <param name="device">Carries out what the ring cannot.</param>
    /// <param name="file">For all but forced writes; open longer than this object.</param>
    /// <param name="forcedFile">For forced writes, which have an error state of their own.</param>
    /// <param name="name">Of the thread.</param>
    public DirectQueue(DirectFileDevice device, SafeFileHandle file, SafeFileHandle forcedFile, string name)
    {
        _device = device;
        _file = file;
        _forcedFile = forcedFile;
        for (int i = 0; i < Depth; i++)
            _freeSlots[i] = i;
        _thread = new Thread(Run, 256 << 10) { Name = name, IsBackground = true };
        _thread.Start();
        _created.Wait();
    }

    /// <summary>Why there is no ring, in words; null if there is one.</summary>
    public string? Hindrance { get; private set; }

    /// <inheritdoc/>
    public bool IsIdle => Volatile.Read(ref _inFlight) == 0;

    /// <summary>Why this program, or this kernel, has no direct I/O at all; null if it has.</summary>
    public static string? Missing(NativeSupport support) =>
        !support.IsAvailable ? support.Message
        : (support.Uring & Needed) != Needed ? "this kernel offers no io_uring to this process (kernel.io_uring_disabled, a container's rules, or a kernel before 5.6)"
        : null;

    /// <summary>Says who is told of completions; before the first request.</summary>
    public void Start(IDeviceCompletions observer)
    {
        Check.That(Interlocked.CompareExchange(ref _observer, observer, null) is null, "a disk's queue has one user");
    }

    /// <inheritdoc/>
    public bool TryBegin(DeviceRequest request)
    {
        DeviceRange.Check(_device, request.Offset, request.Length);
        if (!_device.IsAligned(request.Offset, request.Length) || request.Length == 0)
            return false;
        request.NeedsCall = false;
        request.Copy = null;
        if (!_device.IsAligned(request.Buffer!.Pointer + request.BufferOffset))
        {
            // A peer's data come at any place in a message.
            if (!request.IsWrite)
                return false;
            request.Copy = BlockBufferPool.Shared.Rent(request.Length, BufferPurpose.DirectIo);
            request.Bytes.CopyTo(request.Copy.Span);
        }

        lock (_gate)
        {
            if (!_isClosing)
            {
                _waiting.Enqueue(request);
                Interlocked.Increment(ref _inFlight);
                return true;
            }
        }

        ReleaseCopy(request);
        return false;
    }

    /// <inheritdoc/>
    public void Submit()
    {
        // The queue was filled before this is read, and the ring's thread looks at the queue after it has set it: one of the two sees the other.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _isAsleep) == 0 || Interlocked.Exchange(ref _isAsleep, 0) == 0)
            return;
        ulong one = 1;
        nint written = LinuxFile.Write(_event!, &one, sizeof(ulong));
        Check.That(written == sizeof(ulong), "an event counter takes a one");
    }

    /// <inheritdoc/>
    public DiskResult Finish(DeviceRequest request)
    {
        Check.That(request.NeedsCall);
        if (!request.IsWrite)
            return _device.Read(request.Offset, request.Bytes);
        bool isAskedAgain = request.Errno is 0 or Errno.Interrupted or Errno.TryAgain or Errno.Cancelled or Errno.NotSupported or Errno.NotImplemented;
        return request.IsForceUnitAccess && !isAskedAgain
            ? _device.ForcedWriteFailed(request.Offset, request.Bytes, request.Errno)
            : _device.Write(request.Offset, request.Bytes, request.IsForceUnitAccess);
    }

    /// <summary>No request begins any more; ends the thread. If something is in flight longer than a moment, the thread stays for it, and ends when it has come back.</summary>
    public void Dispose()
    {
        Check.That(Thread.CurrentThread != _thread, "a ring is not closed by its own thread");
        lock (_gate)
        {
            if (_isClosing)
                return;
            _isClosing = true;
        }

        if (Hindrance is null)
            Submit();
        _ = _thread.Join(Patience);
    }

    private void Run()
    {
        string? hindrance = Create();
        Hindrance = hindrance;
        _created.Set();
        if (hindrance is not null)
            return;
        while (Turn())
        {
        }

        // Nothing is in flight but the read of the event counter, whose place is this object's and outlives the ring.
        _ = NativeCalls.RingDestroy(_ring);
        GC.KeepAlive(_woken);
        _event!.Dispose();
    }

    private string? Create()
    {
        int descriptor = LinuxFile.EventCounter(0, CloseOnExec);
        if (descriptor < 0)
            return $"its event counter cannot be made: errno {Marshal.GetLastPInvokeError()}";
        _event = new SafeFileHandle(descriptor, ownsHandle: true);
        nint ring;

        // Twice the depth: also with every slot and the event waiting in it because the kernel has no room, there is room.
        int status = NativeCalls.RingCreate(2 * Depth, NativeCalls.SingleThread, &ring);
        _ring = ring;
        if (status >= 0)
            return null;
        _event.Dispose();
        return $"its io_uring cannot be made: errno {-status}";
    }

    // One round: what waits goes to the kernel, what it has done comes back. False when all is over.
    private bool Turn()
    {
        int count = Take(out bool isOver);
        if (isOver)
            return false;
        fixed (NativeCalls.RingRequest* requests = _requests)
        {
            int taken = NativeCalls.RingSubmit(_ring, requests, (uint)count);

            // The ring has room for every slot, and for the event.
            Check.That(taken == count, "a ring takes what it has room for");
        }

        // The kernel had no room for some: nothing tells when it has. They are offered again, and again after what is under way has come back.
        bool isStuck = NativeCalls.RingPending(_ring) > 0;
        bool mayWait = !isStuck && count < BatchMax && TryFallAsleep();
        int done = Reap(mayWait ? 1u : 0u);
        if (mayWait)
            Interlocked.Exchange(ref _isAsleep, 0);
        if (isStuck && done == 0)
            Thread.Sleep(1);
        if (done > 0)
            _observer!.Completed(_done.AsSpan(0, done));
        _done.AsSpan(0, done).Clear();
        return true;
    }

    private int Take(out bool isOver)
    {
        int count = 0;
        if (!_isListening)
        {
            _isListening = true;
            _requests[count++] = new NativeCalls.RingRequest
            {
                UserData = WakeUp,
                Address = Unsafe(_woken),
                Length = sizeof(ulong),
                File = (int)_event!.DangerousGetHandle(),
                Opcode = NativeCalls.RingRequest.Read,
            };
        }

        lock (_gate)
        {
            while (count < BatchMax && _freeCount > 0 && _waiting.TryDequeue(out DeviceRequest? request))
            {
                int slot = _freeSlots[--_freeCount];
                _slots[slot] = request;
                _requests[count++] = Describe(request, slot);
            }

            isOver = _isClosing && _waiting.Count == 0 && _freeCount == Depth;
        }

        return count;
    }

    private NativeCalls.RingRequest Describe(DeviceRequest request, int slot)
    {
        SafeFileHandle file = request.IsForceUnitAccess ? _forcedFile : _file;
        return new NativeCalls.RingRequest
        {
            UserData = (ulong)slot,
            Offset = (ulong)request.Offset,
            Address = request.Copy is { } copy ? copy.Pointer : request.Buffer!.Pointer + request.BufferOffset,
            Length = (ulong)request.Length,
            File = (int)file.DangerousGetHandle(),
            Opcode = request.IsWrite ? NativeCalls.RingRequest.Write : NativeCalls.RingRequest.Read,
            Flags = request.IsForceUnitAccess ? LinuxFile.WriteDataSync : 0u,
        };
    }

    // Whoever hands something over from here on writes to the event counter. True if there was nothing to do before that.
    private bool TryFallAsleep()
    {
        Interlocked.Exchange(ref _isAsleep, 1);
        lock (_gate)
        {
            bool hasWork = (_waiting.Count > 0 && _freeCount > 0) || (_isClosing && _waiting.Count == 0 && _freeCount == Depth);
            if (!hasWork)
                return true;
        }

        // Somebody may have written to the counter already: one wake-up for nothing.
        Interlocked.Exchange(ref _isAsleep, 0);
        return false;
    }

    private int Reap(uint atLeast)
    {
        int count;
        fixed (NativeCalls.RingCompletion* completions = _completions)
            count = NativeCalls.RingReap(_ring, completions, BatchMax, atLeast);
        if (count == -Errno.Interrupted || count == -Errno.TryAgain)
            return 0;
        Check.That(count >= 0, "a ring can be reaped");
        int done = 0;
        for (int i = 0; i < count; i++)
        {
            ref NativeCalls.RingCompletion completion = ref _completions[i];
            if (completion.UserData == WakeUp)
            {
                _isListening = false;
                continue;
            }

            int slot = (int)completion.UserData;
            DeviceRequest request = _slots[slot]!;
            _slots[slot] = null;
            _freeSlots[_freeCount++] = slot;
            Judge(request, completion.Result);
            ReleaseCopy(request);
            Interlocked.Decrement(ref _inFlight);
            _done[done++] = request;
        }

        return done;
    }

    private void Judge(DeviceRequest request, int result)
    {
        request.Errno = result < 0 ? -result : 0;
        if (result == request.Length)
            request.Result = request.IsForceUnitAccess ? _device.Failure : DiskResult.Ok;
        else if (result >= 0 || request.IsForceUnitAccess || request.Errno is Errno.Interrupted or Errno.TryAgain or Errno.Cancelled or Errno.NotSupported)
            request.NeedsCall = true;
        else
            request.Result = new DiskResult(request.Errno);
    }

    private static void ReleaseCopy(DeviceRequest request)
    {
        request.Copy?.Release();
        request.Copy = null;
    }

    private static void* Unsafe(ulong[] pinned) => System.Runtime.CompilerServices.Unsafe.AsPointer(ref pinned[0]);
}
