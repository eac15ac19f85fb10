using BlockRepl.Primitives;

namespace BlockRepl.Protocol;

/// <summary>Everything of a volume up to a sequence number is on stable storage (volume number of the Ack's receiver).</summary>
public readonly record struct StableMark(VolumeNr Volume, SequenceNumber Sequence);
