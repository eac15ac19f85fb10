using System.Buffers.Binary;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Rpc.Wire;

/// <summary>
/// Puts gRPC messages together from the bytes of a stream: five bytes of prefix, then the message, into a buffer of exactly its
/// length, rented only after the length was checked. Not thread-safe.
/// </summary>
internal sealed class MessageAssembler(BlockBufferPool pool)
{
    /// <summary>Bytes in front of every message: the compressed flag and a big-endian length.</summary>
    public const int PrefixBytes = 5;

    private readonly byte[] _prefix = new byte[PrefixBytes];
    private int _prefixFilled;
    private BlockBuffer? _message;
    private int _filled;

    /// <summary>Whether the stream is between two messages.</summary>
    public bool IsBetweenMessages => _prefixFilled == 0;

    /// <summary>Where the rest of a begun message belongs; empty while there is none. Report with <see cref="Filled"/>.</summary>
    public Span<byte> Rest => _message is null ? default : _message.Span[_filled..];

    /// <summary>
    /// Takes bytes off the front of <paramref name="data"/>, until it is empty or a message is whole, which is then returned with its
    /// reference.
    /// </summary>
    /// <exception cref="ChannelException">The prefix is bad or the message too long.</exception>
    public BlockBuffer? Feed(ref ReadOnlySpan<byte> data)
    {
        if (_message is null)
        {
            int take = Math.Min(PrefixBytes - _prefixFilled, data.Length);
            data[..take].CopyTo(_prefix.AsSpan(_prefixFilled));
            _prefixFilled += take;
            data = data[take..];
            if (_prefixFilled < PrefixBytes)
                return null;
            Begin();
        }

        int part = Math.Min(_message!.Length - _filled, data.Length);
        data[..part].CopyTo(Rest);
        data = data[part..];
        return Filled(part);
    }

    /// <summary>Says that so many bytes of <see cref="Rest"/> are there; returns the message if that was all.</summary>
    public BlockBuffer? Filled(int bytes)
    {
        _filled += bytes;
        BlockBuffer message = _message!;
        if (_filled < message.Length)
            return null;
        _message = null;
        _prefixFilled = 0;
        return message;
    }

    /// <summary>Drops a message that will not be finished.</summary>
    public void Release()
    {
        _message?.Release();
        _message = null;
    }

    private void Begin()
    {
        if (_prefix[0] != 0)
            throw new ChannelException(ChannelCloseReason.ProtocolError, "the peer sent a compressed gRPC message, which was not agreed on");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(_prefix.AsSpan(1));
        if (length > ProtocolLimits.MessageBytesMax)
        {
            throw new ChannelException(
                ChannelCloseReason.ProtocolError,
                $"the peer announced a message of {length} bytes; the limit is {ProtocolLimits.MessageBytesMax}");
        }

        _message = pool.Rent((int)length, BufferPurpose.PeerReceive);
        _filled = 0;
    }
}
