namespace BlockRepl.Format;

/// <summary>The newest intact transaction of an activity log's ring.</summary>
/// <param name="Index">Which copy, counted from the ring's start; -1 if none is intact.</param>
/// <param name="Transaction">Its number.</param>
/// <param name="DamagedCopies">Copies that are neither intact nor blank nor left over.</param>
/// <param name="UnknownVersionCopies">Intact copies of an unknown format version.</param>
public readonly record struct ActivityLogChoice(int Index, ulong Transaction, int DamagedCopies, int UnknownVersionCopies);
