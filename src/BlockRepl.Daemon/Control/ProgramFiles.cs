using System.Reflection;
using System.Runtime.InteropServices;

namespace BlockRepl.Daemon.Control;

/// <summary>
/// Loads every file of the program that the daemon may ever need, at its start. The runtime loads an assembly or a native library when it is first used; a package that is upgraded or removed
/// under a running daemon would then give it one of another version, or none, in the middle of a failover (G15).
/// </summary>
internal static class ProgramFiles
{
    /// <summary>Loads them. Costs a fraction of a second, and address space rather than memory. Answers how many assemblies are loaded.</summary>
    public static int LoadAll()
    {
        foreach (string directory in new[] { AppContext.BaseDirectory, RuntimeEnvironment.GetRuntimeDirectory() }.Distinct())
        {
            // A later call of the same path gets the library that is loaded, whatever has become of the file.
            foreach (string library in Directory.EnumerateFiles(directory, "libSystem.*.so").Concat(Directory.EnumerateFiles(directory, "libblockrepl_native.so")))
                NativeLibrary.TryLoad(library, out _);
        }

        var seen = new HashSet<string>();
        var open = new Queue<Assembly>([typeof(ProgramFiles).Assembly]);
        if (Assembly.GetEntryAssembly() is { } entry)
            open.Enqueue(entry);
        while (open.TryDequeue(out Assembly? assembly))
        {
            foreach (AssemblyName name in assembly.GetReferencedAssemblies())
            {
                if (!seen.Add(name.FullName))
                    continue;
                try
                {
                    open.Enqueue(Assembly.Load(name));
                }
                catch (FileNotFoundException)
                {
                    // Some assemblies of the runtime name others that are not part of it and that nothing here reaches.
                }
            }
        }

        return seen.Count;
    }
}
