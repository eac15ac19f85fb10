using BlockRepl.Primitives;

namespace BlockRepl.Device;

/// <summary>A failure to inject.</summary>
/// <param name="Operations">Calls that it hits.</param>
/// <param name="Result">What they return.</param>
/// <param name="Range">Bytes that a call must touch to be hit; <c>null</c> for all. A flush touches all.</param>
/// <param name="Skip">Calls that would be hit but pass first: a countdown.</param>
/// <param name="Times">How many calls are hit before the fault is used up.</param>
/// <param name="AfterEffect">The call is carried out all the same, and only its success is not reported.</param>
public sealed record DeviceFault(
    DeviceOperation Operations,
    DiskResult Result,
    ByteRange? Range = null,
    int Skip = 0,
    int Times = int.MaxValue,
    bool AfterEffect = false);
