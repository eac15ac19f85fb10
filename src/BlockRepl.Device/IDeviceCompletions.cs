namespace BlockRepl.Device;

/// <summary>Who is told of what an <see cref="IDeviceQueue"/> has done.</summary>
public interface IDeviceCompletions
{
    /// <summary>
    /// These requests are over; the callee owns them again. On the queue's own thread, one call at a time. Everything else of the disk that goes through the queue waits
    /// meanwhile: it must wait for no disk. It may begin requests.
    /// </summary>
    void Completed(ReadOnlySpan<DeviceRequest> requests);
}
