namespace BlockRepl.Core;

/// <summary>Who loses its changes when a split brain is found and neither node is Primary (DRBD: <c>after-sb-0pri</c>).</summary>
public enum AfterSplitBrain0Pri : byte
{
    /// <summary>Nobody: a person decides.</summary>
    Disconnect,

    /// <summary>The node that became Primary later; where that cannot be told, as <see cref="DiscardLeastChanges"/>.</summary>
    DiscardYoungerPrimary,

    /// <summary>The node that was Primary when the connection was lost; where that cannot be told, as <see cref="DiscardLeastChanges"/>.</summary>
    DiscardOlderPrimary,

    /// <summary>The node that changed nothing; nobody if both did.</summary>
    DiscardZeroChanges,

    /// <summary>The node that changed fewer blocks; of equals the one whose name sorts last.</summary>
    DiscardLeastChanges,

    /// <summary>The node of <see cref="SplitBrainPolicies.DiscardNode"/>.</summary>
    DiscardNode,
}
