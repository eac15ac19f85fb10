using BlockRepl.Primitives;
using BlockRepl.Scenarios.Language;
using BlockRepl.Sim;

namespace BlockRepl.Scenarios.Verbs;

/// <summary>What must be on disks, what was answered, what is marked and how much was copied.</summary>
internal static class DataExpectations
{
    /// <summary>Throws if it does not hold.</summary>
    public static void Execute(Scenario scenario, Statement statement, string what, List<string> words)
    {
        switch (what)
        {
            case "reads":
                Reads(scenario, statement, words);
                break;
            case "disk":
                Disk(scenario, statement, words);
                break;
            case "equal":
                Equal(scenario, statement, static disk => disk.Cache);
                break;
            case "stable-equal":
                Equal(scenario, statement, static disk => disk.Stable);
                break;
            case "oos":
                SimulatedNode node = Expectations.Node(scenario, statement, words);
                Compare(statement, words, Volumes(node, words).Sum(v => node.Status.OutOfSyncBlocks(v, ClusterHarness.PeerOf)) * Block.Size);
                break;
            case "marks":
                SimulatedNode marked = Expectations.Node(scenario, statement, words);
                Compare(statement, words, Volumes(marked, words).Sum(v => marked.Metadata[v.Value].MarkedBlocks) * Block.Size);
                break;
            case "resynced":
                Compare(statement, words, scenario.Stepper.ResyncedBytes);
                break;
            case "primaries":
                Compare(statement, words, new[] { scenario.Cluster.Alpha, scenario.Cluster.Beta }.Count(static n => n.IsAlive && n.Core.Role == Role.Primary));
                break;
            case "whole":
                Whole(scenario, statement, words);
                break;
            case "verify":
                Verified(scenario, statement, words);
                break;
            case "prefix":
                Prefix(scenario, statement, words);
                break;
            case "outcome":
                Outcome(scenario, statement, words);
                break;
            default:
                throw statement.Wrong($"\"{what}\" cannot be expected");
        }
    }

    // What a client of a Primary is given: from the local disk, or through Core from the peer.
    private static void Reads(Scenario scenario, Statement statement, List<string> words)
    {
        SimulatedNode node = Expectations.Node(scenario, statement, words);
        if (!node.IsAlive || node.Core.Role != Role.Primary)
            throw statement.Wrong($"{Scenario.NameOf(node)} is not Primary: nobody can read from it");
        (int volume, ByteRange range, List<string> allowed) = Range(scenario, statement, words);
        ByteRange blocks = new(range.FirstBlock << Block.Shift, range.BlockCount << Block.Shift);
        DiskResult? failure = scenario.Stepper.Faults.Exists(f => f.Node == node.Index && f.Word == "read" && f.Result is not null && (f.Volume ?? volume) == volume)
            ? DiskResult.Io
            : null;
        ClientRead read = scenario.Cluster.Read(node, blocks.Offset, blocks.Length, (ushort)volume, failure);
        if (!scenario.RunUntil(() => read.Result is not null, ClientVerbs.PatienceMs))
            throw statement.Wrong("the read is not answered");
        if (allowed is ["EIO"] ? read.Result != DiskResult.Io : read.Result is not { IsOk: true })
            throw statement.Wrong($"the read ends with {read.Result}");
        if (read.Result is not { IsOk: true })
            return;
        var image = new SparseImage();
        for (int i = 0; i < blocks.BlockCount; i++)
            image[blocks.FirstBlock + i] = read.Data[(i * Block.Size)..((i + 1) * Block.Size)];
        Compare(scenario, statement, image, volume, range, allowed);
    }

    private static void Disk(Scenario scenario, Statement statement, List<string> words)
    {
        SimulatedNode node = Expectations.Node(scenario, statement, words);
        (int volume, ByteRange range, List<string> allowed) = Range(scenario, statement, words);
        Compare(scenario, statement, node.Disks[volume].Cache, volume, range, allowed);
    }

    private static (int Volume, ByteRange Range, List<string> Allowed) Range(Scenario scenario, Statement statement, List<string> words)
    {
        int volume = words.Count > 0 ? VolumeWord.Parse(words[0]) ?? -1 : -1;
        if (volume >= 0)
            words.RemoveAt(0);
        if (words is not [var from, var size, "=", ..] || Units.Size(from) is not { } offset || Units.Size(size) is not { } length)
            throw statement.Wrong("[vN] OFFSET LENGTH = NAME [or NAME ...]");
        List<string> allowed = [.. words.Skip(3).Where(static w => w != "or")];
        foreach (string name in allowed)
        {
            if (name is not ("zero" or "EIO") && !scenario.Data.Knows(name))
                throw statement.Wrong($"nothing was written as {name}");
        }

        return (Math.Max(volume, 0), new ByteRange(offset, length), allowed);
    }

    private static void Compare(Scenario scenario, Statement statement, SparseImage image, int volume, ByteRange range, List<string> allowed)
    {
        IReadOnlyList<string> found = scenario.Data.Holds(image, volume, range);
        if (found.Any(name => !allowed.Contains(name)))
            throw statement.Wrong($"it holds {string.Join(", ", found)}");
    }

    private static void Equal(Scenario scenario, Statement statement, Func<SimulatedDisk, SparseImage> image)
    {
        for (int v = 0; v < scenario.Cluster.Alpha.Disks.Length; v++)
        {
            if (image(scenario.Cluster.Alpha.Disks[v]).Differences(image(scenario.Cluster.Beta.Disks[v])) is { Count: > 0 } differences)
                throw statement.Wrong($"v{v} differs in block {differences[0]} and {differences.Count - 1} others");
        }
    }

    // A Primary presents all of one set of writes: no mixture of old and new. A node that is not Primary presents nothing.
    private static void Whole(Scenario scenario, Statement statement, List<string> words)
    {
        SimulatedNode node = Expectations.Node(scenario, statement, words);
        if (!node.IsAlive || node.Core.Role != Role.Primary)
            return;
        HashSet<string> found = [.. words.SelectMany(scenario.Data.Named).SelectMany(r => scenario.Data.Holds(node.Disks[r.Volume.Value].Cache, r.Volume.Value, r.Range))];
        if (found.Count != 1)
            throw statement.Wrong($"{Scenario.NameOf(node)} is Primary on a mixture of {string.Join(" and ", found)}");
    }

    // expect verify a complete|stopped|running; expect verify a different|repaired SIZE; of all volumes.
    private static void Verified(Scenario scenario, Statement statement, List<string> words)
    {
        SimulatedNode node = Expectations.Node(scenario, statement, words);
        string what = ClientVerbs.Take(statement, words, 0);
        VerifyReport[] reports = [.. Volumes(node, words).Select(v => node.Status.Verify(v, ClusterHarness.PeerOf) ?? throw statement.Wrong("nothing was compared"))];
        if (what is "different" or "repaired")
        {
            Compare(statement, words, reports.Sum(r => what == "different" ? r.DifferentBlocks : r.RepairedBlocks) * Block.Size);
            return;
        }

        string found = string.Join(", ", reports.Select(static r => r.IsRunning ? "running" : r.IsComplete ? "complete" : $"stopped ({r.Detail})").Distinct());
        if (!found.StartsWith(what, StringComparison.Ordinal))
            throw statement.Wrong($"it is {found}");
    }

    // G4: of writes to different places, each asked for when the one before was acknowledged, a node has the first so many and no later one.
    private static void Prefix(Scenario scenario, Statement statement, List<string> words)
    {
        SimulatedNode node = Expectations.Node(scenario, statement, words);
        string? missing = null;
        foreach (string name in words)
        {
            bool isThere = scenario.Data.Named(name) is { Count: > 0 } requests
                && requests.All(r => scenario.Data.Holds(node.Disks[r.Volume.Value].Cache, r.Volume.Value, r.Range) is [var only] && only == name);
            if (isThere && missing is not null)
                throw statement.Wrong($"{name} is there, and {missing} before it is not");
            missing ??= isThere ? null : name;
        }
    }

    private static void Outcome(Scenario scenario, Statement statement, List<string> words)
    {
        if (words is not [var name, var wanted])
            throw statement.Wrong("expect outcome NAME ok|EIO|pending|lost");
        if (!scenario.Data.Knows(name))
            throw statement.Wrong($"nothing was written as {name}");
        foreach (ClientRequest request in scenario.Data.Named(name))
        {
            if (ClientVerbs.OutcomeOf(request) != wanted)
                throw statement.Wrong($"{name} is {ClientVerbs.OutcomeOf(request)}");
        }
    }

    private static List<VolumeNr> Volumes(SimulatedNode node, List<string> words)
    {
        int? volume = words.Count > 0 ? VolumeWord.Parse(words[0]) : null;
        if (volume is not null)
            words.RemoveAt(0);
        return Enumerable.Range(0, node.Disks.Length).Where(v => volume is null || volume == v).Select(static v => new VolumeNr((ushort)v)).ToList();
    }

    // SIZE, or <= SIZE, or >= SIZE.
    private static void Compare(Statement statement, List<string> words, long found)
    {
        (string sign, string size) = words switch
        {
            [var only] => ("=", only),
            [("<=" or ">=") and var s, var only] => (s, only),
            _ => throw statement.Wrong("[<=|>=] SIZE"),
        };
        long wanted = Units.Size(size) ?? throw statement.Wrong($"{size} is no size");
        bool holds = sign switch { "<=" => found <= wanted, ">=" => found >= wanted, _ => found == wanted };
        if (!holds)
            throw statement.Wrong($"it is {found} bytes");
    }
}
