namespace BlockRepl.Core;

/// <summary>What happens when a split brain is found and both nodes are Primary (DRBD: <c>after-sb-2pri</c>).</summary>
public enum AfterSplitBrain2Pri : byte
{
    /// <summary>Nothing: a person decides.</summary>
    Disconnect,

    /// <summary>The handler <c>pri-lost-after-sb</c> is called on the node that <see cref="AfterSplitBrain0Pri"/> names, and a person decides.</summary>
    CallPrimaryLost,
}
