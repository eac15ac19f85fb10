using System.Net.Security;
using System.Runtime.InteropServices;
using BlockRepl.Primitives;

namespace BlockRepl.Rpc.Wire;

/// <summary>
/// TLS over a socket. Full records of 16 KiB are encrypted from where the bytes lie; small pieces are gathered first, so that a
/// frame header does not cost a record of its own.
/// </summary>
internal sealed class TlsWire(SslStream tls, CipherStream cipher) : IWire
{
    // The most plaintext that one record carries (RFC 8446 section 5.1).
    private const int RecordBytes = 16 << 10;

    // Encrypted at once before the kernel is asked to take it.
    private const int BatchBytes = 256 << 10;

    private const string Question = "(does it accept this node's certificate?)";

    private readonly byte[] _record = new byte[RecordBytes];
    private bool _hasReceived;

    /// <inheritdoc/>
    public long HeldBytes => cipher.HeldBytes;

    /// <inheritdoc/>
    public int Receive(Span<byte> first, Span<byte> second)
    {
        try
        {
            int received = tls.Read(first.IsEmpty ? second : first);
            // In TLS 1.3 a server looks at the client's certificate when the client thinks that all is well already.
            if (received == 0 && !_hasReceived)
                throw new ChannelException(ChannelCloseReason.NetworkFailure, $"the peer ended the TLS connection {Question}");
            _hasReceived = true;
            return received;
        }
        catch (IOException e)
        {
            if (e.InnerException is ChannelException inner)
                throw inner;
            string why = (e.InnerException ?? e).Message;
            throw new ChannelException(
                ChannelCloseReason.NetworkFailure, $"the peer ended the TLS connection{(_hasReceived ? "" : " " + Question)}: {why}");
        }
    }

    /// <inheritdoc/>
    public void Flush(SegmentQueue queue)
    {
        while (cipher.TryFlush() && queue.Count > 0)
        {
            cipher.IsCorked = true;
            while (queue.Count > 0 && cipher.HeldBytes < BatchBytes)
                EncryptRecord(queue);
            cipher.IsCorked = false;
        }
    }

    /// <inheritdoc/>
    public void Release() => cipher.Release();

    private void EncryptRecord(SegmentQueue queue)
    {
        OutSegment first = queue[0];
        if (first.Length >= RecordBytes)
        {
            Check.That(MemoryMarshal.TryGetArray<byte>(first.Buffer.Memory, out ArraySegment<byte> array));
            tls.Write(array.Array!, array.Offset + first.Offset, RecordBytes);
            queue.Consume(RecordBytes);
            return;
        }

        int filled = 0;
        for (int i = 0; i < queue.Count && filled < RecordBytes; i++)
        {
            ref readonly OutSegment segment = ref queue[i];
            int part = Math.Min(segment.Length, RecordBytes - filled);
            segment.Buffer.Span.Slice(segment.Offset, part).CopyTo(_record.AsSpan(filled));
            filled += part;
        }

        tls.Write(_record, 0, filled);
        queue.Consume(filled);
    }
}
