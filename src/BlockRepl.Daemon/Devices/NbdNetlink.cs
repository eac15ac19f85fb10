using System.Runtime.InteropServices;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// The messages of the kernel's generic netlink family <c>nbd</c> (include/uapi/linux/nbd-netlink.h): encoding of requests, decoding of answers. Pure.
/// docs/decisions/0100-kernel-devices.md says why each attribute has its value.
/// </summary>
internal static class NbdNetlink
{
    /// <summary>Where family names are resolved.</summary>
    public const ushort ControllerId = 0x10;

    private const byte GetFamily = 3;
    private const byte ConnectCommand = 1;
    private const byte DisconnectCommand = 2;
    private const byte ReconfigureCommand = 3;

    private const ushort FamilyIdAttribute = 1;
    private const ushort FamilyNameAttribute = 2;

    private const ushort Index = 1;
    private const ushort SizeBytes = 2;
    private const ushort BlockSizeBytes = 3;
    private const ushort TimeoutSeconds = 4;
    private const ushort ServerFlags = 5;
    private const ushort ClientFlags = 6;
    private const ushort Sockets = 7;
    private const ushort DeadConnectionTimeoutSeconds = 8;
    private const ushort BackendIdentifier = 10;
    private const ushort SocketItem = 1;
    private const ushort SocketFd = 1;

    private const ushort ErrorType = 2;

    /// <summary>Asks for a family's id.</summary>
    public static NetlinkMessage ResolveFamily(string name, uint sequence) =>
        new NetlinkMessage(ControllerId, GetFamily, sequence).Text(FamilyNameAttribute, name);

    /// <summary>Attaches a device to a socket.</summary>
    public static NetlinkMessage Connect(ushort family, uint sequence, KernelConnect request)
    {
        var message = new NetlinkMessage(family, ConnectCommand, sequence);
        if (request.Index is { } index)
            message.U32(Index, (uint)index);
        return message
            .U64(SizeBytes, (ulong)request.SizeBytes)
            .U64(BlockSizeBytes, request.BlockBytes)
            // 0 and always said: any other value cuts healthy links on which one request is slow, and one left out inherits the last attach's.
            .U64(TimeoutSeconds, 0)
            .U64(ServerFlags, request.Flags)
            .U64(ClientFlags, 0)
            .U64(DeadConnectionTimeoutSeconds, (ulong)request.Hold.TotalSeconds)
            .Text(BackendIdentifier, request.Backend)
            .Nest(Sockets, list => list.Nest(SocketItem, item => item.U32(SocketFd, (uint)request.SocketFd)));
    }

    /// <summary>Gives an attached device a new socket for its dead one. Nothing else may stand in this message: a size beside a socket can hang.</summary>
    public static NetlinkMessage Reconnect(ushort family, uint sequence, int index, string backend, int socketFd) =>
        new NetlinkMessage(family, ReconfigureCommand, sequence)
            .U32(Index, (uint)index)
            .Text(BackendIdentifier, backend)
            .Nest(Sockets, list => list.Nest(SocketItem, item => item.U32(SocketFd, (uint)socketFd)));

    /// <summary>Gives an attached device another size.</summary>
    public static NetlinkMessage Resize(ushort family, uint sequence, int index, string backend, long sizeBytes) =>
        new NetlinkMessage(family, ReconfigureCommand, sequence)
            .U32(Index, (uint)index)
            .Text(BackendIdentifier, backend)
            .U64(SizeBytes, (ulong)sizeBytes);

    /// <summary>Detaches a device.</summary>
    public static NetlinkMessage Disconnect(ushort family, uint sequence, int index) =>
        new NetlinkMessage(family, DisconnectCommand, sequence).U32(Index, (uint)index);

    /// <summary>
    /// Reads what one receive brought: the final answer's errno (0 for success) in <paramref name="errno"/>, null while it is not there yet; and attribute
    /// <paramref name="attribute"/> of a reply into <paramref name="value"/>, where there was one.
    /// </summary>
    public static void Read(ReadOnlySpan<byte> received, uint sequence, ushort attribute, ref uint? value, out int? errno)
    {
        errno = null;
        while (received.Length >= NetlinkMessage.HeaderBytes)
        {
            int length = (int)MemoryMarshal.Read<uint>(received);
            if (length < NetlinkMessage.HeaderBytes || length > received.Length)
                return;
            ushort type = MemoryMarshal.Read<ushort>(received[4..]);
            ReadOnlySpan<byte> body = received[NetlinkMessage.HeaderBytes..length];
            if (MemoryMarshal.Read<uint>(received[8..]) == sequence)
            {
                if (type != ErrorType)
                    value = FindAttribute(body, attribute) ?? value;
                else if (body.Length >= sizeof(int))
                    errno = -MemoryMarshal.Read<int>(body);
            }

            received = received[Math.Min(received.Length, (length + 3) & ~3)..];
        }
    }

    /// <summary>The attribute of an answer that holds the family's id.</summary>
    public static ushort FamilyIdOf => FamilyIdAttribute;

    /// <summary>The attribute of an answer that holds a device's index.</summary>
    public static ushort IndexOf => Index;

    private static uint? FindAttribute(ReadOnlySpan<byte> body, ushort wanted)
    {
        if (body.Length < NetlinkMessage.GenericHeaderBytes)
            return null;
        body = body[NetlinkMessage.GenericHeaderBytes..];
        while (body.Length >= 4)
        {
            int length = MemoryMarshal.Read<ushort>(body);
            if (length < 4 || length > body.Length)
                return null;
            if (MemoryMarshal.Read<ushort>(body[2..]) == wanted)
            {
                return length switch
                {
                    4 + sizeof(ushort) => MemoryMarshal.Read<ushort>(body[4..]),
                    4 + sizeof(uint) => MemoryMarshal.Read<uint>(body[4..]),
                    _ => null,
                };
            }

            body = body[Math.Min(body.Length, (length + 3) & ~3)..];
        }

        return null;
    }
}
