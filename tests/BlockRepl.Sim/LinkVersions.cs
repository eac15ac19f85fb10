namespace BlockRepl.Sim;

/// <summary>
/// Watches the frames of one link: from its two Hellos follows which version it speaks, and on a link of version 1 nothing passes that a version 1 build would not take (G15).
/// </summary>
public sealed class LinkVersions
{
    private const int HelloBody = 1;
    private readonly ulong[] _newest = new ulong[2];

    /// <summary>The version that both sides agreed on; 0 before both have said Hello.</summary>
    public ulong Agreed => _newest[0] == 0 || _newest[1] == 0 ? 0 : Math.Min(_newest[0], _newest[1]);

    /// <summary>A node sends a frame. Fails the test if the other side could not understand it.</summary>
    /// <param name="sender">0 for alpha, 1 for beta.</param>
    /// <param name="frame">The frame as it goes over the wire.</param>
    public void Sent(int sender, ReadOnlySpan<byte> frame)
    {
        bool isHello = Version1Rules.BodyOf(frame) == HelloBody;
        if (isHello)
            _newest[sender] = Version1Rules.NewestOffered(frame);
        else if (Agreed > 1)
            return;
        string? wrong = Version1Rules.Refuse(frame);
        Assert.True(wrong is null, $"{(sender == 0 ? "alpha" : "beta")} sent over a connection that has not agreed on version 2: {wrong}: {Convert.ToHexString(frame)}");
    }
}
