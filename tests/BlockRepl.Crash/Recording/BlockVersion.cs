namespace BlockRepl.Crash.Recording;

/// <summary>One change of one block by a client.</summary>
/// <param name="Number">1, 2 and so on; 0 is what the block held at first: zeroes.</param>
/// <param name="Node">Who served the client.</param>
/// <param name="Asked">When the client asked for it.</param>
/// <param name="IsZeroes">Trimmed or zeroed, not written.</param>
/// <param name="IsForced">With FUA.</param>
internal sealed record BlockVersion(int Number, int Node, long Asked, bool IsZeroes, bool IsForced)
{
    /// <summary>When it was answered with success; <see cref="long.MaxValue"/> if it was not.</summary>
    public long Answered { get; set; } = long.MaxValue;

    public bool WasAsked(CutTimes cut) => Asked <= cut[Node];

    public bool WasAnswered(CutTimes cut) => Answered <= cut[Node];
}
