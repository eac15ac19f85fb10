using BlockRepl.Core;

namespace BlockRepl.Daemon.Configuration;

/// <summary>What a resource does about diverged nodes; names and defaults are drbd.conf's, and <c>split-brain-save</c> and <c>save-dir</c> are this program's own.</summary>
public sealed record SplitBrainOptions
{
    /// <summary>Where save files go unless <c>save-dir</c> says otherwise: the system's place, or where programs of a user who is not root keep their state.</summary>
    public static string DefaultSaveDirectory { get; } = Environment.IsPrivilegedProcess
        ? "/var/lib/blockrepl"
        : Path.Combine(
            Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } state
                ? state
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local/state"),
            "blockrepl");

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
