using System.Globalization;

namespace BlockRepl.Device.Tests;

/// <summary>Loop devices and file systems of a test's own, gone with it. Needs root.</summary>
internal sealed class TestMounts : IDisposable
{
    private readonly Stack<Action> _cleanUp = new();

    public TemporaryDirectory Directory { get; } = new();

    /// <summary>A loop device over a new file.</summary>
    public string Loop(long sizeBytes, int sectorBytes)
    {
        string file = Directory.File($"backing{_cleanUp.Count}", sizeBytes);
        return Attach("--sector-size", sectorBytes.ToString(CultureInfo.InvariantCulture), file);
    }

    /// <summary>A loop device over a file that is there.</summary>
    public string LoopOn(string file, params string[] options) => Attach([.. options, file]);

    /// <summary>A mounted ext4 of its own.</summary>
    public string FileSystem(long sizeBytes)
    {
        string loop = Loop(sizeBytes, 512);
        Shell.Run("mkfs.ext4", "-q", loop);
        return Mount("-t", "ext4", loop);
    }

    /// <summary>Mounts something on a new directory.</summary>
    public string Mount(params string[] arguments)
    {
        string mount = Path.Combine(Directory.Root, $"mount{_cleanUp.Count}");
        System.IO.Directory.CreateDirectory(mount);
        Shell.Run("mount", [.. arguments, mount]);
        _cleanUp.Push(() => Shell.TryRun("umount", mount));
        return mount;
    }

    /// <summary>Every write to a file system waits while <paramref name="body"/> runs.</summary>
    public static void Freeze(string mount, Action body)
    {
        Shell.Run("fsfreeze", "--freeze", mount);
        try
        {
            body();
        }
        finally
        {
            Shell.Run("fsfreeze", "--unfreeze", mount);
        }
    }

    public void Dispose()
    {
        while (_cleanUp.TryPop(out Action? undo))
            undo();
        Directory.Dispose();
    }

    private string Attach(params string[] arguments)
    {
        string loop = Shell.Run("losetup", ["--find", "--show", .. arguments]);
        _cleanUp.Push(() => Shell.Run("losetup", "--detach", loop));
        return loop;
    }
}
