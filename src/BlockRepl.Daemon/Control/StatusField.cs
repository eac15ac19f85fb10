namespace BlockRepl.Daemon.Control;

/// <summary>One <c>key:value</c> of an event. Keys are those of <c>drbdsetup events2</c>; in JSON a hyphen is an underscore.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
/// <param name="IsIdentity">True when the key tells which object is meant; such fields stand in every event.</param>
public readonly record struct StatusField(string Key, string Value, bool IsIdentity = false);
