using BlockRepl.Daemon.Saving;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Fuzz.Targets;

/// <summary>A small save file of marked blocks, as the daemon writes it.</summary>
internal static class SaveFiles
{
    private const long VolumeBytes = 1 << 20;

    /// <summary>Writes one into a directory and returns its bytes.</summary>
    public static byte[] Write(string directory)
    {
        var marks = new DirtyBitmap(Block.CountFor(VolumeBytes));
        marks.Set(1, 2);
        marks.Set(9, 1);
        marks.Set(100, 30);
        var header = new SaveFileHeader
        {
            ResourceName = "mail",
            VolumeName = "db",
            NodeName = "alpha",
            PeerName = "beta",
            VolumeBytes = VolumeBytes,
            Scope = SaveFileScope.MarkedHere,
            SavedMs = 1_795_000_000_000,
            SinceMs = 0,
            Generation = new GenerationId(0x10),
            BaseGeneration = new GenerationId(0x20),
        };
        return File.ReadAllBytes(SaveFileWriter.Write(directory, header, marks, new Source()));
    }

    private sealed class Source : ISaveSource
    {
        public DiskResult Read(long offset, Span<byte> destination)
        {
            destination.Clear();
            destination[0] = (byte)(offset >> 12);
            return DiskResult.Ok;
        }

        public DiskResult GetExtent(long offset, long length, out DeviceExtent extent)
        {
            extent = new DeviceExtent(length, offset > 200_000);
            return DiskResult.Ok;
        }
    }
}
