using System.Buffers.Binary;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Sim;

namespace BlockRepl.Core.Tests.Versions;

/// <summary>
/// Plays one side of the recorded conversation to a node of this build: the recorded peer's very bytes, but for random numbers that the node has drawn itself. What the node sends must
/// be what a version 1 peer would take, and say what the recorded node of version 1 said at the same place.
/// </summary>
internal sealed class ConversationReplay
{
    private readonly ClusterHarness _cluster = new(volumeBytes: 1 << 20);
    private readonly SimulatedNode _node;
    private readonly Dictionary<ulong, ulong> _liveNumber = [];
    private readonly SortedSet<long> _resynced = [];
    private readonly SortedSet<long> _recordedResynced = [];
    private ulong _roleRequest;

    public ConversationReplay(string live) => _node = live == "alpha" ? _cluster.Alpha : _cluster.Beta;

    /// <summary>The node of this build.</summary>
    public SimulatedNode Node => _node;

    /// <summary>Client changes of the node, in order.</summary>
    public List<ClientRequest> Requests { get; } = [];

    /// <summary>Frames of the recorded peer that were played.</summary>
    public int Played { get; private set; }

    /// <summary>Frames of the node that were compared.</summary>
    public int Compared { get; private set; }

    public void Run()
    {
        _node.Start();
        _cluster.RunDisk(_node);
        foreach (RecordedConversation.Line line in RecordedConversation.Read())
        {
            if (line.Frame is null)
                Do(line);
            else if (line.Actor == _node.Name)
                Expect(line.Frame);
            else
                Play(line.Frame);
            _cluster.RunDisk(_node);
        }

        Assert.Equal(_recordedResynced, _resynced);
    }

    private void Do(RecordedConversation.Line line)
    {
        if (line.Actor == "link")
        {
            _cluster.EstablishAlone(_node);
            return;
        }

        if (line.Actor != _node.Name && line.Actor != "both")
            return;
        switch (line.Words[0])
        {
            case "connect":
                _cluster.Command(_node, OperatorVerb.Connect);
                break;
            case "disconnect":
                _cluster.Command(_node, OperatorVerb.Disconnect);
                break;
            case "primary":
                _cluster.Command(_node, OperatorVerb.Primary, force: line.Words.Length > 1);
                break;
            case "secondary":
                _cluster.Command(_node, OperatorVerb.Secondary);
                break;
            case "down":
                _cluster.NoticeLinkDown(_node);
                break;
            default:
                Requests.Add(_cluster.Change(
                    _node, Enum.Parse<ChangeKind>(line.Words[0]), line.Number(1), line.Number(2), (ChangeFlags)line.Number(3)));
                break;
        }
    }

    private void Play(byte[] frame)
    {
        Played++;
        byte[] played = Translate(frame);
        if (PeerMessageCodec.TryDecode(played, out PeerMessage message, out _) && message is RoleReplyMessage reply)
            played = PeerMessageCodec.Encode(reply with { Id = _roleRequest });
        _cluster.DeliverTo(_node, played);
    }

    private void Expect(byte[] recorded)
    {
        if (IsFree(recorded, _recordedResynced))
            return;
        byte[] sent;
        do
        {
            _cluster.RunDisk(_node);
            Assert.True(_cluster.Link!.To[1 - _node.Index].TryDequeue(out byte[]? next), $"nothing was sent where version 1 sent {Describe(recorded)}");
            sent = next!;
            Assert.Null(Version1Rules.Refuse(sent));
        }
        while (IsFree(sent, _resynced));

        Compared++;
        LearnNumbers(recorded, sent);
        Assert.Equal(Describe(Translate(recorded)), Describe(sent));
    }

    // A status is told whenever something changes, and resync data may be cut into other pieces: neither has its place in the recording. What was resynced is compared as a whole.
    private static bool IsFree(byte[] frame, SortedSet<long> resynced)
    {
        FrameKind kind = PeerMessageCodec.PeekKind(frame);
        if (kind != FrameKind.ResyncData)
            return kind is FrameKind.PeerStatus or FrameKind.Alive;
        Assert.True(ResyncDataFrameReader.TryRead(frame, out ResyncDataFrameReader data, out _));
        for (long i = 0; i < data.Range.BlockCount; i++)
            resynced.Add(data.Range.FirstBlock + i);
        return true;
    }

    // Generations are drawn at random: where the recorded node said its own, this node says another.
    private void LearnNumbers(byte[] recorded, byte[] sent)
    {
        if (!PeerMessageCodec.TryDecode(recorded, out PeerMessage theirs, out _) || !PeerMessageCodec.TryDecode(sent, out PeerMessage ours, out _))
            return;
        switch (theirs, ours)
        {
            case (ResourceStateMessage a, ResourceStateMessage b):
                Learn(a.Volumes[0].CurrentGeneration, b.Volumes[0].CurrentGeneration);
                Learn(a.Volumes[0].BitmapGeneration, b.Volumes[0].BitmapGeneration);
                break;
            case (RoleRequestMessage, RoleRequestMessage b):
                _roleRequest = b.Id;
                break;
            case (SyncBeginMessage a, SyncBeginMessage b):
                Learn(a.SyncGeneration, b.SyncGeneration);
                break;
            default:
                break;
        }
    }

    private void Learn(GenerationId recorded, GenerationId live)
    {
        if (recorded.IsReal && live.IsReal)
            _liveNumber.TryAdd(recorded.Value, live.Value);
    }

    private byte[] Translate(byte[] frame)
    {
        byte[] copy = [.. frame];
        bool changed = false;
        for (int at = 0; at + sizeof(ulong) <= copy.Length; at++)
        {
            if (!_liveNumber.TryGetValue(BinaryPrimitives.ReadUInt64LittleEndian(copy.AsSpan(at)), out ulong live))
                continue;
            BinaryPrimitives.WriteUInt64LittleEndian(copy.AsSpan(at), live);
            changed = true;
            at += sizeof(ulong) - 1;
        }

        if (changed)
            BinaryPrimitives.WriteUInt32LittleEndian(copy.AsSpan(copy.Length - 4), Crc32C.Compute(copy.AsSpan(0, copy.Length - ProtocolLimits.FrameCrcBytes)));
        return copy;
    }

    // What a frame says as far as the other side acts on it; random numbers of this life, and what only newer peers read, are left out.
    private static string Describe(byte[] frame)
    {
        switch (PeerMessageCodec.PeekKind(frame))
        {
            case FrameKind.Changes:
                Assert.True(ChangesFrameReader.TryRead(frame, out ChangesFrameReader changes, out _));
                string text = "changes";
                foreach (ChangeHeader change in changes)
                    text += $" {changes.FirstSequence} {change}";
                return text;
            default:
                Assert.True(PeerMessageCodec.TryDecode(frame, out PeerMessage message, out FrameError error), error.ToString());
                return message switch
                {
                    HelloMessage m => $"hello {m.Node} {m.Peer} {m.Resource} speaks 1: {m.VersionMin <= 1 && m.VersionMax >= 1}",
                    ResourceStateMessage m => $"state {m.Role} {m.Protocol} next {m.NextSequence} discard {m.DiscardMyData} "
                        + string.Join(' ', m.Volumes.Select(v => $"{v.Nr} {v.Name} {v.SizeBytes} {v.DiskState} {v.CurrentGeneration} {v.BitmapGeneration} [{string.Join(',', v.History)}] {v.Flags} {v.DirtyBlocks}")),
                    VerdictMessage m => "verdict " + string.Join(' ', m.Volumes.Select(v => $"{v.Nr} {v.Result}")),
                    BitmapPartMessage m => $"bitmap {m.Nr} {m.FirstBlock} {string.Join(',', m.Runs)} {m.Last}",
                    SyncEndMessage m => $"end {m.Nr} {m.CurrentGeneration} [{string.Join(',', m.History)}]",
                    AckMessage m => $"ack {m.ReceivedSequence} {m.AppliedSequence} {string.Join(' ', m.Stable)}",
                    GoodbyeMessage m => $"goodbye {m.Reason}",
                    RoleRequestMessage m => $"role request {m.Role}",
                    RoleReplyMessage m => $"role reply {m.Granted}",
                    _ => message.ToString(),
                };
        }
    }
}
