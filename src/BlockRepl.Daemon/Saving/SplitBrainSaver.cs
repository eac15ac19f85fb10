using BlockRepl.Core;
using BlockRepl.Daemon.Replication;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Saving;

/// <summary>Carries <see cref="EffectKind.SaveBlocks"/> out: one save at a time for a resource, on a thread of its own, which lives while there is something to save.</summary>
internal sealed class SplitBrainSaver(ResourceRuntime runtime)
{
    private readonly Lock _lock = new();
    private readonly Queue<SaveRequest> _requests = new();
    private bool _isRunning;

    /// <summary>Takes a request. Does not block.</summary>
    public void Add(SaveRequest request)
    {
        lock (_lock)
        {
            _requests.Enqueue(request);
            if (_isRunning)
                return;
            _isRunning = true;
        }

        new Thread(Run) { Name = $"save-{runtime.Settings.Name}", IsBackground = true }.Start();
    }

    private void Run()
    {
        while (true)
        {
            SaveRequest? request;
            lock (_lock)
            {
                if (!_requests.TryDequeue(out request))
                {
                    _isRunning = false;
                    return;
                }
            }

            SaveOutcome outcome = Save(request);
            runtime.Post(new CoreEvent { Kind = CoreEventKind.BlocksSaved, NowMs = ResourceRuntime.NowMs, Volume = request.Volume, Subject = outcome });
        }
    }

    private SaveOutcome Save(SaveRequest request)
    {
        RuntimeVolume volume = runtime.Volumes[request.Volume.Value];
        var header = new SaveFileHeader
        {
            ResourceName = runtime.Settings.Name,
            VolumeName = volume.Configuration.Name,
            NodeName = runtime.Settings.NodeName,
            PeerName = runtime.Settings.Peers[request.Peer.Value],
            VolumeBytes = request.VolumeBytes,
            Scope = request.Blocks is null ? SaveFileScope.WholeVolume : SaveFileScope.MarkedHere,
            SavedMs = ResourceRuntime.WallMs,
            SinceMs = request.SinceMs,
            Generation = request.Generation,
            BaseGeneration = request.BaseGeneration,
        };
        string directory = runtime.Configuration.SplitBrain.SaveDirectory.For(runtime.Settings.NodeName);
        try
        {
            return new SaveOutcome(request, SaveFileWriter.Write(directory, header, request.Blocks, new DiskSource(volume)), "");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new SaveOutcome(request, "", $"{directory}: {e.Message}");
        }
    }

    private sealed class DiskSource(RuntimeVolume volume) : ISaveSource
    {
        public DiskResult Read(long offset, Span<byte> destination) => volume.Disk?.Read(offset, destination) ?? DiskResult.Io;

        public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
        {
            extent = new DeviceExtent(length, false);
            return volume.Disk?.GetExtent(offset, length, out extent) ?? DiskResult.Io;
        }
    }
}
