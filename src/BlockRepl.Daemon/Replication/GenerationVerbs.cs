using BlockRepl.Core;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metadata.Inspection;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Replication;

/// <summary><c>show-gi</c> and <c>get-gi</c> of a resource that the daemon has: ids as they are now, and what became of the last handshake.</summary>
internal static class GenerationVerbs
{
    /// <summary>The answer for one volume, or for each of the resource.</summary>
    public static ControlResult Answer(ResourceRuntime runtime, ControlCommand command)
    {
        List<string> answers = [];
        foreach (RuntimeVolume volume in runtime.Volumes)
        {
            if (command.Volume is not null && command.Volume != volume.Configuration.Name)
                continue;
            string? answer = runtime.Read(status => Describe(status, runtime.Settings, volume.Configuration.Nr, explain: command.Verb == ControlVerb.ShowGi));
            if (answer is null)
                return new ControlResult(ExitCodes.NoLocalDisk, $"{volume.Name} has no local disk here", $"attach it: blockrepl up {runtime.Settings.Name}");
            answers.Add(answer);
        }

        return ControlResult.Answer(string.Join('\n', answers));
    }

    private static string? Describe(ResourceStatusReader status, ResourceSettings settings, VolumeNr volume, bool explain)
    {
        if (status.Superblock(volume) is not { } superblock)
            return null;
        List<(int Slot, long Blocks)> outOfSync = [];
        Dictionary<int, string> connections = [];
        for (int i = 0; i < settings.Peers.Length; i++)
        {
            var peer = new PeerId(i);
            int slot = superblock.FindPeer(settings.Peers[i]);
            if (slot < 0)
                continue;
            outOfSync.Add((slot, status.OutOfSyncBlocks(volume, peer)));
            connections[slot] = Connection(status, volume, peer);
        }

        var text = new GenerationText(superblock, outOfSync);
        return explain ? text.Explain(activeExtents: 0, connections) : text.MachineReadable();
    }

    private static string Connection(ResourceStatusReader status, VolumeNr volume, PeerId peer)
    {
        ConnectionState state = status.ConnectionState(peer);
        long seconds = Math.Max(0, ResourceRuntime.NowMs - status.StateSinceMs(peer)) / 1000;
        if (state != ConnectionState.Connected)
            return $"{state} for {seconds} s{(status.Detail(peer).Length > 0 ? $": {status.Detail(peer)}" : "")}";
        SyncVerdict verdict = status.Verdict(volume, peer);
        return $"Connected for {seconds} s, {status.ReplicationState(volume, peer)}; the handshake decided {verdict.Result} by rule {verdict.Rule}: {verdict.Reason}";
    }
}
