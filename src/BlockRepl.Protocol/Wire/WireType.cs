namespace BlockRepl.Protocol.Wire;

/// <summary>Protobuf's wire types; groups (3, 4) are not among them because proto3 has none.</summary>
internal enum WireType : byte
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}
