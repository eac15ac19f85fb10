namespace BlockRepl.Device.Tests;

/// <summary>A directory of the test's own, gone with it.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("blockrepl-device-").FullName;

    public string File(string name, long sizeBytes)
    {
        string path = Path.Combine(Root, name);
        Assert.Equal(DeviceOpenError.None, DeviceFactory.CreateSparseFile(path, sizeBytes, out string message));
        Assert.Equal("", message);
        return path;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
