using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Tests;

/// <summary>Records what is asked and answers what the test says.</summary>
internal sealed class FakeMetadataTool : IVolumeMetadataTool
{
    public List<string> Calls { get; } = [];

    public Func<VolumePlace, ControlResult> Answer { get; set; } = _ => ControlResult.Done;

    public ControlResult Create(VolumePlace place, bool force)
    {
        Calls.Add($"create {place} {Path.GetFileName(place.Disk)} {Path.GetFileName(place.MetaDisk) ?? "internal"} for {string.Join(',', place.Peers)}{(force ? " force" : "")}");
        return Answer(place);
    }

    public ControlResult HasGrown(VolumePlace place, long oldSizeBytes)
    {
        Calls.Add($"grown {place} from {oldSizeBytes}");
        return Answer(place);
    }

    public ControlResult Upgrade(VolumePlace place)
    {
        Calls.Add($"upgrade {place}");
        return Answer(place);
    }

    public ControlResult Restore(VolumePlace place, string dump, bool force)
    {
        Calls.Add($"restore {place} {dump.Length} characters{(force ? " force" : "")}");
        return Answer(place);
    }

    public ControlResult Wipe(VolumePlace place)
    {
        Calls.Add($"wipe {place}");
        return Answer(place);
    }

    public ControlResult Dump(VolumePlace place, bool json)
    {
        Calls.Add($"dump {place}{(json ? " json" : "")}");
        return Answer(place);
    }

    public ControlResult Verify(VolumePlace place)
    {
        Calls.Add($"verify {place}");
        return Answer(place);
    }

    public ControlResult Generations(VolumePlace place, bool explain)
    {
        Calls.Add($"{(explain ? "show-gi" : "get-gi")} {place}");
        return Answer(place);
    }
}
