using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>What the parts of <see cref="ResourceCore"/> share: the objects, the clock of the current event, and the effects it has caused so far.</summary>
internal sealed class ResourceContext
{
    private readonly Stack<ChangeRequest> _pool = new();
    private ulong _tickets;

    public ResourceContext(ResourceSettings settings, IChance chance)
    {
        Settings = settings;
        Chance = chance;
        Peers = new Peer[settings.Peers.Length];
        for (int i = 0; i < Peers.Length; i++)
            Peers[i] = new Peer(new PeerId(i), settings.Peers[i]);
        foreach (string name in settings.Volumes)
            AddVolume(name);
    }

    /// <summary>The configuration; replaced under the gate by <see cref="SettingsChange"/>.</summary>
    public ResourceSettings Settings { get; set; }

    public IChance Chance { get; }

    public VolumeTable Volumes { get; } = new();

    public Peer[] Peers { get; }

    public Role Role { get; set; } = Role.Secondary;

    /// <summary>Stream position of the newest change.</summary>
    public SequenceNumber LastSequence { get; set; }

    /// <summary>Monotonic milliseconds of the event being applied.</summary>
    public long NowMs { get; set; }

    /// <summary>The same clock in microseconds, for measuring.</summary>
    public long NowUs { get; set; }

    /// <summary>How the application fares.</summary>
    public ApplicationMeter Application { get; } = new();

    /// <summary>What to add to the monotonic clock for milliseconds since 1970 (UTC); null until an event has told. For people: nothing is decided by it (hard part 25).</summary>
    public long? WallOffsetMs { get; set; }

    /// <summary>Milliseconds since 1970 (UTC); 0 if not known.</summary>
    public long WallNowMs => WallOffsetMs is { } offset ? NowMs + offset : 0;

    /// <summary>Effects of the event being applied.</summary>
    public EffectQueue Effects { get; set; } = null!;

    /// <summary>Something that status shows changed in this event.</summary>
    public bool StateChanged { get; set; }

    /// <summary>The peers are to hear how things go, although nothing has changed that an event would tell.</summary>
    public bool IsPeerStatusDue { get; set; }

    /// <summary>This node's boot id, from the edge.</summary>
    public Guid BootId { get; set; }

    /// <summary>Adds a volume under the next number.</summary>
    public Volume AddVolume(string name)
    {
        var volume = new Volume(Volumes.NextNr, name, Peers.Length);
        for (int p = 0; p < Peers.Length; p++)
            volume.Peers[p] = new PeerVolume(Peers[p], volume);
        Volumes.Add(volume);
        return volume;
    }

    public SequenceNumber NextSequence() => LastSequence = LastSequence.Next;

    public ulong NextTicket() => ++_tickets;

    public GenerationId NewGeneration() => GenerationId.FromRandom(Chance.NextUInt64());

    public ChangeRequest RentRequest() => _pool.TryPop(out ChangeRequest? request) ? request : new ChangeRequest();

    public void ReturnRequest(ChangeRequest request)
    {
        request.Buffer?.Release();
        request.Reset();
        _pool.Push(request);
    }

    /// <summary>Core needs the request no more; it goes back to the pool once the edge has let go of it, too.</summary>
    public void Release(ChangeRequest request)
    {
        if (request.IsUnderWay)
            request.IsOver = true;
        else
            ReturnRequest(request);
    }

    /// <summary>Hands a change or a read to the edge, for the local disk.</summary>
    public void StartOnDisk(EffectKind kind, ChangeRequest request)
    {
        request.IsUnderWay = true;
        request.DiskSerial = Volumes[request.Volume.Value].DiskSerial;
        if (kind != EffectKind.ResyncRead)
            NoteDiskBusy(Volumes[request.Volume.Value]);
        ref Effect effect = ref Effects.Add(kind);
        effect.Volume = request.Volume;
        effect.Subject = request;
        if (request.Chunk is not { } chunk)
            return;
        effect.Peer = chunk.Peer;
        effect.Link = chunk.Link;
    }

    /// <summary>The local disk was asked for something more.</summary>
    public void NoteDiskBusy(Volume volume)
    {
        if (volume.LocalOperations++ == 0)
            volume.DiskProgressMs = NowMs;
    }

    /// <summary>The local disk has finished something.</summary>
    public void NoteDiskProgress(Volume volume)
    {
        volume.LocalOperations--;
        volume.DiskProgressMs = NowMs;
    }

    public void Send(Peer peer, PeerMessage message)
    {
        ref Effect effect = ref Effects.Add(EffectKind.SendMessage);
        effect.Peer = peer.Id;
        effect.Link = peer.Link;
        effect.Subject = message;
        peer.LastSentMs = NowMs;
    }

    public void SendChange(PeerVolume to, ChangeRequest request)
    {
        ref Effect effect = ref Effects.Add(EffectKind.SendChange);
        effect.Peer = to.Peer.Id;
        effect.Link = to.Peer.Link;
        effect.Sequence = request.Sequence;
        effect.Header = new ChangeHeader(
            request.Kind, to.Volume.Nr, request.Range.Offset, request.Range.Length, Canary.FuaNotForwarded ? request.Flags & ~ChangeFlags.Fua : request.Flags);
        effect.Subject = request.Buffer?.AddReference();
        effect.BufferOffset = request.BufferOffset;
        to.Peer.LastSentMs = NowMs;
    }

    public void Log(string text) => Effects.Add(EffectKind.Log).Subject = text;

    public void CompleteCommand(object? cookie, CommandResult result)
    {
        if (cookie is null)
            return;
        ref Effect effect = ref Effects.Add(EffectKind.CompleteCommand);
        effect.Subject = cookie;
        effect.Second = result;
    }

    public void WriteMetadata(Volume volume, MetadataWrite write)
    {
        Check.That(!write.IsEmpty, "a metadata write without content");
        NoteDiskBusy(volume);
        volume.PendingMetadata.Add(write);
        ref Effect effect = ref Effects.Add(EffectKind.WriteMetadata);
        effect.Volume = volume.Nr;
        effect.Subject = write;
    }
}
