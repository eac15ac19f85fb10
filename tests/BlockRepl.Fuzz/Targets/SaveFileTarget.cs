using BlockRepl.Daemon.Saving;
using BlockRepl.Format;
using BlockRepl.Fuzz.Engine;
using BlockRepl.Primitives;

namespace BlockRepl.Fuzz.Targets;

/// <summary>A file that claims to hold a split brain's blocks: opened or refused; what it gives has its checksum.</summary>
internal sealed class SaveFileTarget : FuzzTarget
{
    private static readonly byte[] Good = MakeGood();

    public override string Name => "save-file";

    public override long AllocatedBytesMax => 16 << 20;

    public override byte[] Make(Prng chance)
    {
        byte[] file = [.. Good];
        for (int left = 1 + chance.Below(3); left > 0; left--)
        {
            int at = chance.Below(3) switch
            {
                0 => chance.Below(256),
                1 => (int)BitConverter.ToInt64(Good, 24) + chance.Below(64),
                _ => chance.Below(file.Length - 8),
            };
            BitConverter.GetBytes(chance.Number()).AsSpan(0, 1 << chance.Below(4)).CopyTo(file.AsSpan(Math.Min(at, file.Length - 8)));
        }

        if (chance.OneIn(2))
            Seal(file);
        return chance.OneIn(4) ? chance.Spoil(file) : file;
    }

    public override void Run(byte[] input)
    {
        string path = Path.Combine(Path.GetTempPath(), $"blockrepl-fuzz-{Environment.ProcessId}.save");
        File.WriteAllBytes(path, input);
        using SaveFileReader? reader = SaveFileReader.Open(path, out string why);
        Assert.Equal(reader is null, why.Length > 0);
        if (reader is null)
            return;
        long end = 0;
        foreach (SaveFileRun run in reader.Runs)
        {
            Assert.True(run.Offset >= end && run.Length > 0 && run.Length <= reader.Header.VolumeBytes - run.Offset, "runs that overlap or have no length");
            end = run.Offset + run.Length;
        }

        reader.Verify();
    }

    private static void Seal(byte[] file)
    {
        // The index, so that what is said of runs comes through, then the header.
        int index = (int)Math.Clamp(BitConverter.ToInt64(file, 24), 0, file.Length);
        long runs = BitConverter.ToInt64(file, 32);
        if (runs >= 0 && runs <= (file.Length - index) / SaveFileCodec.RunBytes)
            BitConverter.GetBytes(Crc32C.Compute(file.AsSpan(index, (int)runs * SaveFileCodec.RunBytes))).CopyTo(file, 40);
        file.AsSpan(12, 4).Clear();
        BitConverter.GetBytes(Crc32C.Compute(file.AsSpan(0, SaveFileCodec.HeaderBytes))).CopyTo(file, 12);
    }

    private static byte[] MakeGood()
    {
        string folder = Directory.CreateTempSubdirectory("blockrepl-fuzz-").FullName;
        byte[] bytes = SaveFiles.Write(folder);
        Directory.Delete(folder, recursive: true);
        return bytes;
    }
}
