namespace BlockRepl.Cli.Demo;

/// <summary>Counts of a check by content. Not thread-safe: the model counts under its lock.</summary>
internal sealed class CheckTally
{
    /// <summary>Blocks that were read and are right.</summary>
    public long Blocks { get; private set; }

    /// <summary>Of these, blocks with an acknowledged write.</summary>
    public long AcknowledgedBlocks { get; private set; }

    /// <summary>Blocks whose last write was not acknowledged and is there.</summary>
    public long OpenThere { get; private set; }

    /// <summary>Blocks whose last write was not acknowledged and is not there.</summary>
    public long OpenAbsent { get; private set; }

    /// <summary>Counts one block that is right.</summary>
    public void Add(bool isAcknowledged, bool isOpen, bool isOpenThere)
    {
        Blocks++;
        AcknowledgedBlocks += isAcknowledged ? 1 : 0;
        OpenThere += isOpen && isOpenThere ? 1 : 0;
        OpenAbsent += isOpen && !isOpenThere ? 1 : 0;
    }
}
