namespace BlockRepl.Format;

/// <summary>What a save file holds of its volume. Values are on disk.</summary>
public enum SaveFileScope : uint
{
    /// <summary>The blocks that the node had marked towards the other.</summary>
    MarkedHere = 1,

    /// <summary>Every block.</summary>
    WholeVolume = 2,
}
