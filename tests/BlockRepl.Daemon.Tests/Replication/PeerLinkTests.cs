using BlockRepl.Core;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Replication;
using BlockRepl.Primitives;
using BlockRepl.Protocol;
using BlockRepl.Rpc;

namespace BlockRepl.Daemon.Tests.Replication;

/// <summary>What a link gives its channel when (docs/decisions/0061).</summary>
public class PeerLinkTests
{
    [Fact]
    public void Changes_go_first_and_resync_data_when_the_channel_has_next_to_nothing_left()
    {
        var channel = new FilledChannel { QueuedBytes = 1 << 20 };
        PeerLink link = LinkOver(channel);
        link.Enqueue(Piece(0));
        link.Enqueue(Change(1 << 20));
        link.Drain();
        channel.QueuedBytes = 0;
        link.Drain();
        Assert.Equal([FrameKind.Changes, FrameKind.ResyncData], channel.Kinds);
    }

    /// <summary>G9: whatever else keeps the link busy, a resync ends.</summary>
    [Fact]
    public void A_piece_goes_after_a_while_however_full_the_channel_is()
    {
        var channel = new FilledChannel { QueuedBytes = 1 << 20 };
        PeerLink link = LinkOver(channel);
        link.Enqueue(Piece(0));
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                link.Enqueue(Change(1 << 20));
                link.Drain();
                return channel.Kinds.Contains(FrameKind.ResyncData);
            },
            TimeSpan.FromSeconds(20)));
        Assert.Equal(FrameKind.Changes, channel.Kinds[0]);
    }

    private static PeerLink LinkOver(FilledChannel channel) => new(new LinkId(1), new PeerId(0), channel, new BatchCompressor(CompressionPolicy.Off));

    private static Effect Piece(long offset) => new()
    {
        Kind = EffectKind.SendResyncData,
        Subject = new ResyncChunk { Volume = new VolumeNr(0), Range = new ByteRange(offset, Block.Size), IsZeroes = true },
    };

    private static Effect Change(long offset) => new()
    {
        Kind = EffectKind.SendChange,
        Sequence = new SequenceNumber(1),
        Header = new ChangeHeader(ChangeKind.Trim, new VolumeNr(0), offset, Block.Size, ChangeFlags.None),
    };

    private sealed class FilledChannel : IPeerChannel
    {
        public List<FrameKind> Kinds { get; } = [];

        public long QueuedBytes { get; set; }

        public bool HasMore => false;

        public long MeasureLink() => 0;

        public string? AuthenticatedPeer => null;

        public bool IsDialer => true;

        public string RemoteAddress => "nowhere";

        public long LastReceivedMs => 0;

        public void Send(ReadOnlySpan<byte> head, ReadOnlySpan<PayloadSegment> payload) => Kinds.Add(PeerMessageCodec.PeekKind(head));

        public void Close(ChannelCloseReason reason, string detail)
        {
        }
    }
}
