using BlockRepl.Device;
using BlockRepl.Primitives;

namespace BlockRepl.Crash.Recording;

/// <summary>What stands between the daemon and a disk: writes down every change and flush with its beginning and its end.</summary>
/// <param name="history">Whose clock.</param>
/// <param name="log">Where it is written down.</param>
/// <param name="inner">The disk.</param>
/// <param name="isLost">A disk that lies, for the canaries: calls that it answers and neither carries out nor writes down.</param>
internal sealed class TracedDevice(History history, DiskLog log, IBlockDevice inner, Func<DiskCallKind, long, bool>? isLost) : FilterDevice(inner)
{
    public override DiskResult Write(long offset, ReadOnlySpan<byte> source, bool forceUnitAccess)
    {
        if (isLost is not null && isLost(DiskCallKind.Write, offset))
            return DiskResult.Ok;
        DiskCall call = log.Begin(history, DiskCallKind.Write, offset, source.Length, source.ToArray(), forceUnitAccess);
        return Ended(call, Inner.Write(offset, source, forceUnitAccess));
    }

    public override DiskResult Flush() => isLost is not null && isLost(DiskCallKind.Flush, 0)
        ? DiskResult.Ok
        : Ended(log.Begin(history, DiskCallKind.Flush, 0, 0, [], isForced: false), Inner.Flush());

    public override DiskResult Discard(long offset, long length) =>
        Ended(log.Begin(history, DiskCallKind.Zeroes, offset, length, [], isForced: false), Inner.Discard(offset, length));

    public override DiskResult WriteZeroes(long offset, long length, bool mayPunchHole, bool fastOnly) => Ended(
        log.Begin(history, DiskCallKind.Zeroes, offset, length, [], isForced: false), Inner.WriteZeroes(offset, length, mayPunchHole, fastOnly));

    public override DiskResult Extend(long sizeBytes, ReadOnlySpan<byte> tail) => Ended(
        log.Begin(history, DiskCallKind.Extend, sizeBytes, tail.Length, tail.ToArray(), isForced: true), Inner.Extend(sizeBytes, tail));

    private DiskResult Ended(DiskCall call, DiskResult result)
    {
        Check.That(result.IsOk, "the disk in memory never fails");
        call.Answered = history.Next();
        return result;
    }
}
