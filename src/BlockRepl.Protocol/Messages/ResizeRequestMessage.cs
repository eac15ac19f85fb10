using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>Asks the peer to take up its disk's new size, or, with <paramref name="Commit"/>, to serve a new size from now on. Since version 2.</summary>
/// <param name="Id">The asker's number for this resize.</param>
/// <param name="Nr">The asker's number of the volume.</param>
/// <param name="Commit">False: what can the disk hold? True: this is the size that both serve.</param>
/// <param name="SizeBytes">With <paramref name="Commit"/>: the size.</param>
/// <param name="IsEqual">With <paramref name="Commit"/>: what is new is the same on both nodes and need not be copied.</param>
public sealed record ResizeRequestMessage(ulong Id, VolumeNr Nr, bool Commit, long SizeBytes, bool IsEqual) : PeerMessage
{
    /// <inheritdoc/>
    public override FrameKind Kind => FrameKind.ResizeRequest;
}
