using BlockRepl.Nbd;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary>The clients' reads that one disk's threads have been given and have not finished: who gives the disk up takes them back from it, also those inside a call. Thread-safe.</summary>
internal sealed class DiskReads
{
    private readonly Lock _lock = new();
    private readonly List<DiskRead> _underWay = new(64);
    private readonly Stack<DiskRead> _idle = new(64);
    private bool _isEnded;

    /// <summary>A read is about to be handed to the disk's threads; null after <see cref="TakeAll"/>.</summary>
    public DiskRead? Begin(NbdRequest request)
    {
        lock (_lock)
        {
            if (_isEnded)
                return null;
            if (!_idle.TryPop(out DiskRead? read))
                read = new DiskRead();
            read.Request = request;
            read.Buffer = request.Buffer?.AddReference();
            read.Offset = request.Offset;
            read.Length = (int)request.Length;
            read.IsTaken = false;
            _underWay.Add(read);
            return read;
        }
    }

    /// <summary>The call is over. True if the request is still this read's, and the caller answers it; the object is not used any more.</summary>
    public bool End(DiskRead read, out NbdRequest request)
    {
        BlockBuffer? buffer;
        bool isOwn;
        lock (_lock)
        {
            request = read.Request;
            buffer = read.Buffer;
            isOwn = !read.IsTaken;
            if (isOwn)
                _underWay.Remove(read);
            read.Request = null!;
            read.Buffer = null;
            _idle.Push(read);
        }

        buffer?.Release();
        return isOwn;
    }

    /// <summary>Adds what a look for holes found. False if nothing more is wanted, or the request is not this read's any more.</summary>
    public bool AddExtent(DiskRead read, long length, bool isHole)
    {
        lock (_lock)
            return !read.IsTaken && read.Request.AddExtent((uint)length, isHole, isHole);
    }

    /// <summary>
    /// The disk is given up: its reads belong to the caller, with a buffer each that no call knows of. A BLOCK_STATUS has its rest called data, which is always true. No read begins any more.
    /// </summary>
    public List<NbdRequest> TakeAll()
    {
        List<NbdRequest> requests = [];
        lock (_lock)
        {
            _isEnded = true;
            foreach (DiskRead read in _underWay)
            {
                read.IsTaken = true;
                requests.Add(read.Request);
            }

            _underWay.Clear();
        }

        foreach (NbdRequest request in requests)
        {
            if (request.Buffer is { } shared)
            {
                request.Buffer = BlockBufferPool.Shared.Rent((int)request.Length, BufferPurpose.NbdRead);
                shared.Release();
            }
            else
            {
                request.AddExtent(request.Length, isHole: false, isZero: false);
            }
        }

        return requests;
    }
}
