namespace BlockRepl.Crash.Recording;

/// <summary>A recorded run in a file: threads do not run twice alike, so what a failure is to be looked at again by is the record, not the seed.</summary>
internal static class TraceFile
{
    /// <summary>Writes the history to a file of its own and returns its path.</summary>
    public static string Save(History history)
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("blockrepl-crash-trace-").FullName, $"{history.Scenario}-{history.Seed}.trace");
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(history.Scenario);
        writer.Write(history.Seed);
        writer.Write(history.Now);
        foreach (DiskLog[] node in history.Disks)
        {
            writer.Write(node.Length);
            foreach (DiskLog log in node)
                Write(writer, log);
        }

        WriteAll(writer, history.Chunks, chunk =>
        {
            writer.Write(chunk.From);
            writer.Write(chunk.Sent);
            writer.Write(chunk.Delivered);
        });
        WriteAll(writer, history.Steps, step =>
        {
            writer.Write(step.At);
            writer.Write(step.Text);
        });
        Ledger ledger = history.Ledger;
        WriteAll(writer, ledger.Flushes, flush =>
        {
            writer.Write(flush.Node);
            writer.Write(flush.Asked);
            writer.Write(flush.Answered);
        });
        foreach (List<(long From, long To)> holds in ledger.Holds)
        {
            WriteAll(writer, holds, span =>
            {
                writer.Write(span.From);
                writer.Write(span.To);
            });
        }

        WriteAll(writer, ledger.Damage, damage =>
        {
            writer.Write(damage.Block);
            writer.Write(damage.From);
            writer.Write(damage.To);
        });
        WriteAll(writer, [.. ledger.Blocks], block =>
        {
            writer.Write(block.Key);
            WriteAll(writer, block.Value, version =>
            {
                writer.Write(version.Node);
                writer.Write(version.Asked);
                writer.Write(version.Answered);
                writer.Write(version.IsZeroes);
                writer.Write(version.IsForced);
            });
        });
        return path;
    }

    public static History Load(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        string scenario = reader.ReadString();
        ulong seed = reader.ReadUInt64();
        long now = reader.ReadInt64();
        DiskLog[][] disks = [.. Enumerable.Range(0, 2).Select(_ => Enumerable.Range(0, reader.ReadInt32()).Select(_ => ReadLog(reader)).ToArray())];
        var history = new History(scenario, seed, disks) { Now = now };
        ReadAll(reader, () => history.Chunks.Add(new WireChunk(reader.ReadInt32(), reader.ReadInt64(), reader.ReadInt64())));
        ReadAll(reader, () => history.Steps.Add((reader.ReadInt64(), reader.ReadString())));
        ReadAll(reader, () => history.Ledger.Flushes.Add((reader.ReadInt32(), reader.ReadInt64(), reader.ReadInt64())));
        foreach (List<(long From, long To)> holds in history.Ledger.Holds)
            ReadAll(reader, () => holds.Add((reader.ReadInt64(), reader.ReadInt64())));
        ReadAll(reader, () => history.Ledger.Damage.Add((reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64())));
        ReadAll(reader, () =>
        {
            long block = reader.ReadInt64();
            List<BlockVersion> versions = [];
            ReadAll(reader, () =>
            {
                int node = reader.ReadInt32();
                long asked = reader.ReadInt64();
                long answered = reader.ReadInt64();
                versions.Add(new BlockVersion(versions.Count, node, asked, reader.ReadBoolean(), reader.ReadBoolean()) { Answered = answered });
            });
            history.Ledger.Load(block, versions);
        });
        return history;
    }

    private static void Write(BinaryWriter writer, DiskLog log)
    {
        writer.Write(log.Name);
        writer.Write(log.Start.SizeBytes);
        WriteAll(writer, log.Start.Pages, page =>
        {
            writer.Write(page);
            writer.Write(log.Start.PageAt(page)!);
        });
        WriteAll(writer, log.Calls, call =>
        {
            writer.Write((byte)call.Kind);
            writer.Write(call.Offset);
            writer.Write(call.Length);
            writer.Write(call.Data.Length);
            writer.Write(call.Data);
            writer.Write(call.IsForced);
            writer.Write(call.Begun);
            writer.Write(call.Answered);
        });
    }

    private static DiskLog ReadLog(BinaryReader reader)
    {
        string name = reader.ReadString();
        var start = new SparseDisk(reader.ReadInt64());
        ReadAll(reader, () => start.Write(reader.ReadInt64() * Primitives.Block.Size, reader.ReadBytes(Primitives.Block.Size), forceUnitAccess: false));
        var log = new DiskLog(name, start);
        ReadAll(reader, () =>
        {
            var kind = (DiskCallKind)reader.ReadByte();
            long offset = reader.ReadInt64();
            long length = reader.ReadInt64();
            byte[] data = reader.ReadBytes(reader.ReadInt32());
            log.Add(new DiskCall(kind, offset, length, data, reader.ReadBoolean(), reader.ReadInt64()) { Answered = reader.ReadInt64() });
        });
        return log;
    }

    private static void WriteAll<T>(BinaryWriter writer, IReadOnlyCollection<T> items, Action<T> write)
    {
        writer.Write(items.Count);
        foreach (T item in items)
            write(item);
    }

    private static void ReadAll(BinaryReader reader, Action read)
    {
        for (int left = reader.ReadInt32(); left > 0; left--)
            read();
    }
}
