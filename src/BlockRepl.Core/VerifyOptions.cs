namespace BlockRepl.Core;

/// <summary>What an operator asks of a comparison.</summary>
public sealed record VerifyOptions
{
    /// <summary>Where to begin, in bytes; null: where the last one was stopped, else at the beginning.</summary>
    public long? StartBytes { get; init; }

    /// <summary>Where to end, in bytes; null: at the volume's end.</summary>
    public long? StopBytes { get; init; }

    /// <summary>Write over what differs, from the side that is right.</summary>
    public bool Repair { get; init; }

    /// <summary>The node whose data counts in a repair; null: the evidence decides.</summary>
    public string? RepairFrom { get; init; }
}
