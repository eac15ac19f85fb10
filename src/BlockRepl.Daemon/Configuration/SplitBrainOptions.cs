using BlockRepl.Core;

namespace BlockRepl.Daemon.Configuration;

/// <summary>What a resource does about diverged nodes; names and defaults are drbd.conf's, and <c>split-brain-save</c> and <c>save-dir</c> are this program's own.</summary>
public sealed record SplitBrainOptions
{
    /// <summary>Where save files go unless <c>save-dir</c> says otherwise.</summary>
    public const string DefaultSaveDirectory = "/var/lib/blockrepl";

    /// <summary>The defaults.</summary>
    public static SplitBrainOptions Default { get; } = new();

    /// <summary><c>after-sb-0pri</c>, <c>after-sb-1pri</c>, <c>after-sb-2pri</c>, <c>always-asbp</c>.</summary>
    public SplitBrainPolicies Policies { get; init; } = SplitBrainPolicies.Default;

    /// <summary><c>rr-conflict</c>.</summary>
    public RoleConflictPolicy RoleConflict { get; init; } = RoleConflictPolicy.Disconnect;

    /// <summary><c>split-brain-save</c>: changes that a split brain's resolution throws away are saved first. Default on.</summary>
    public bool Saves { get; init; } = true;

    /// <summary><c>save-dir</c>: where, by node.</summary>
    public PerNode<string> SaveDirectory { get; init; } = new(DefaultSaveDirectory);
}
