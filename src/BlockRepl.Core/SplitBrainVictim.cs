using BlockRepl.Primitives;

namespace BlockRepl.Core;

/// <summary>
/// Who loses its changes in a split brain, from facts that both nodes have (DRBD: <c>drbd_asb_recover_0p</c>, <c>_1p</c>, <c>_2p</c>). One victim for all volumes of the resource:
/// each volume by itself, as DRBD does it, could leave a database on one volume with the future of another (G4).
/// </summary>
internal static class SplitBrainVictim
{
    /// <summary>One node's part in the split brain, over all volumes.</summary>
    /// <param name="Node">Its name.</param>
    /// <param name="Role">Its role now.</param>
    /// <param name="WasPrimary">It was Primary when the connection was lost.</param>
    /// <param name="ChangedBlocks">Blocks that it has changed since, over all volumes.</param>
    /// <param name="Discards">An operator named it the victim.</param>
    public readonly record struct Side(string Node, Role Role, bool WasPrimary, long ChangedBlocks, bool Discards);

    /// <summary>The victim's name, or null; and whether a Primary is to be told that it has lost.</summary>
    /// <param name="Node">The victim; null for "nobody".</param>
    /// <param name="PrimaryLost">The Primary that the policies name, whose handler is called instead; null for none.</param>
    /// <param name="Why">Who or what decided, in words.</param>
    public readonly record struct Choice(string? Node, string? PrimaryLost, string Why);

    /// <summary>Chooses. Symmetric: the same with the sides swapped.</summary>
    /// <param name="one">One node.</param>
    /// <param name="other">The other node.</param>
    /// <param name="policies">The policies, the same on both.</param>
    /// <param name="isRecent">The generation that both went on from is still what their marks are based on (rule 90); otherwise policies count only with <see cref="SplitBrainPolicies.Always"/>.</param>
    public static Choice Choose(in Side one, in Side other, SplitBrainPolicies policies, bool isRecent)
    {
        // A person's word goes first: DRBD asks it last, and may by then have overwritten the node that the person wanted to keep.
        if (one.Discards != other.Discards)
            return new Choice(one.Discards ? one.Node : other.Node, null, "resolved by the operator");
        if (!isRecent && !policies.Always)
            return default;
        int primaries = (one.Role == Role.Primary ? 1 : 0) + (other.Role == Role.Primary ? 1 : 0);
        string? named = ByNoPrimaryPolicy(in one, in other, policies);
        string? secondary = one.Role == Role.Primary ? other.Node : one.Node;
        return primaries switch
        {
            0 => Of(named, "after-sb-0pri"),
            1 => policies.OnePrimary switch
            {
                AfterSplitBrain1Pri.Consensus => Of(named == secondary ? named : null, "after-sb-1pri consensus"),
                AfterSplitBrain1Pri.DiscardSecondary => Of(secondary, "after-sb-1pri discard-secondary"),
                AfterSplitBrain1Pri.CallPrimaryLost when named == secondary => Of(named, "after-sb-1pri call-pri-lost-after-sb"),
                AfterSplitBrain1Pri.CallPrimaryLost => new Choice(null, named, ""),
                _ => default,
            },
            _ => policies.TwoPrimaries == AfterSplitBrain2Pri.CallPrimaryLost ? new Choice(null, named, "") : default,
        };
    }

    private static Choice Of(string? node, string why) => node is null ? default : new Choice(node, null, "resolved by " + why);

    private static string? ByNoPrimaryPolicy(in Side one, in Side other, SplitBrainPolicies policies)
    {
        switch (policies.NoPrimary)
        {
            case AfterSplitBrain0Pri.Disconnect:
                return null;
            case AfterSplitBrain0Pri.DiscardNode:
                return policies.DiscardNode == one.Node || policies.DiscardNode == other.Node ? policies.DiscardNode : null;
            case AfterSplitBrain0Pri.DiscardYoungerPrimary when one.WasPrimary != other.WasPrimary:
                return one.WasPrimary ? other.Node : one.Node;
            case AfterSplitBrain0Pri.DiscardOlderPrimary when one.WasPrimary != other.WasPrimary:
                return one.WasPrimary ? one.Node : other.Node;
            case AfterSplitBrain0Pri.DiscardZeroChanges when one.ChangedBlocks > 0 && other.ChangedBlocks > 0:
                return null;
            default:
                return FewerChanges(in one, in other);
        }
    }

    private static string FewerChanges(in Side one, in Side other)
    {
        if (one.ChangedBlocks != other.ChangedBlocks)
            return one.ChangedBlocks < other.ChangedBlocks ? one.Node : other.Node;
        return string.CompareOrdinal(one.Node, other.Node) < 0 ? other.Node : one.Node;
    }
}
