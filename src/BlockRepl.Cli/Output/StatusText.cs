using System.Globalization;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Cli.Output;

/// <summary>Status for a person, in the shape of <c>drbdadm status</c>, with what is wrong and what would help in words.</summary>
public static class StatusText
{
    /// <summary>Writes the resources, an empty line between two.</summary>
    public static void Write(CliConsole console, IReadOnlyList<ResourceStatus> resources)
    {
        var paint = new Paint(console.IsTerminal && console.Environment("NO_COLOR") is not { Length: > 0 });
        if (resources.Count == 0)
            console.Out.WriteLine("no resource is configured");
        for (var i = 0; i < resources.Count; i++)
        {
            if (i > 0)
                console.Out.WriteLine();
            WriteResource(console.Out, paint, resources[i]);
        }
    }

    private static void WriteResource(TextWriter output, Paint paint, ResourceStatus resource)
    {
        var suspended = resource.Suspended.Count == 0 ? "" : " suspended:" + paint.Bad(string.Join(',', resource.Suspended));
        output.WriteLine($"{resource.Name} role:{paint.Of(resource.Role)}{suspended}");
        foreach (var reason in resource.SuspendedDetails)
        {
            var detail = reason.Detail is null ? "" : $": {reason.Detail}";
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  I/O is held by {reason.Reason} for {reason.SinceSeconds} s{detail}"));
        }
        foreach (var volume in resource.Volumes)
        {
            var clients = volume.Clients == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" clients:{volume.Clients}");
            var size = volume.SizeBytes == 0 ? "" : $" size:{Bytes(volume.SizeBytes)}";
            var served = volume.ServedBy is null ? "" : " served-by:" + paint.Bad(volume.ServedBy);
            output.WriteLine($"  volume:{volume.Name} disk:{paint.Of(volume.DiskState)}{served}{size}{clients}");
            if (volume.NoData is not null)
                output.WriteLine($"    no data accessible: {volume.NoData}");
            if (volume.AlAppliedExtents > 0)
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    its daemon had died: the activity log's {volume.AlAppliedExtents} extents were marked, {Bytes(volume.AlAppliedBytes)}"));
            if (volume.MetadataErrors > 0)
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {paint.Bad("damaged metadata")} found and made good {volume.MetadataErrors} times since the daemon started, last: {volume.MetadataError}"));
            foreach (var waiting in volume.WaitingFor)
                output.WriteLine($"    waiting for {waiting}");
        }
        foreach (var connection in resource.Connections)
            WriteConnection(output, paint, resource.Name, connection);
        if (resource.Role != Role.Primary && !resource.MayPromote && resource.WhyNotPromotable is not null)
            output.WriteLine($"  cannot be promoted: {resource.WhyNotPromotable}");
        if (resource.Note is not null)
            output.WriteLine($"  note: {resource.Note}");
        if (resource.Hint is not null)
            output.WriteLine($"  what would help: {resource.Hint}");
    }

    private static void WriteConnection(TextWriter output, Paint paint, string resource, ConnectionStatus connection)
    {
        var connected = connection.ConnectionState == ConnectionState.Connected;
        output.WriteLine(connected
            ? $"  {connection.Peer} role:{paint.Of(connection.PeerRole)}"
            : $"  {connection.Peer} connection:{paint.Of(connection.ConnectionState)}"
                + string.Create(CultureInfo.InvariantCulture, $" for:{connection.SinceSeconds}s"));
        if (connection.Detail is not null)
            output.WriteLine($"    {connection.Detail}");
        if (connection.Fence is not null)
            output.WriteLine($"    fence: {connection.Fence}");
        if (connection.ChecksumErrors > 0)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {paint.Bad("damaged frames")} came {connection.ChecksumErrors} times since the daemon started and were not applied, last: {connection.ChecksumError}"));
        if (connection.Note is not null)
            output.WriteLine($"    {connection.Note}");
        foreach (var volume in connection.Volumes)
        {
            var replication = connected ? $" replication:{paint.Of(volume.ReplicationState)}" : "";
            var marked = volume.OutOfSyncBytes == 0 ? "" : $" out-of-sync:{paint.Bad(Bytes(volume.OutOfSyncBytes))}";
            output.WriteLine($"    volume:{volume.Name}{replication} peer-disk:{paint.Of(volume.PeerDiskState)}{marked}{Progress(volume)}");
            if (volume.Note is not null)
                output.WriteLine($"      {volume.Note}");
            if (volume.SplitBrain is { } split)
            {
                output.WriteLine(paint.Bad("      split brain") + $" changed-here:{Bytes(split.ChangedHereBytes)}{Since(split.SinceHere)}"
                    + $" changed-there:{Bytes(split.ChangedThereBytes)}{Since(split.SinceThere)}");
            }
            foreach (var line in volume.Verify is null ? [] : VerifyText.Lines(volume.Verify, $"{resource}/{volume.Name}"))
                output.WriteLine($"      {line}");
        }
    }

    private static string Since(string? time) => time is null ? "" : $" since:{time}";

    private static string Progress(PeerVolumeStatus volume)
    {
        if (volume.ReplicationState is not (ReplicationState.SyncSource or ReplicationState.SyncTarget
            or ReplicationState.PausedSyncS or ReplicationState.PausedSyncT or ReplicationState.VerifyS or ReplicationState.VerifyT))
            return "";
        var eta = volume.ResyncEtaSeconds is { } seconds ? string.Create(CultureInfo.InvariantCulture, $" eta:{seconds}s") : "";
        var rate = volume.ResyncBytesPerSecond > 0 ? $" rate:{Bytes(volume.ResyncBytesPerSecond)}/s" : "";
        var waiting = volume.ResyncWaitingFor is { } what ? $" waiting for {what}" : "";
        return string.Create(CultureInfo.InvariantCulture, $" done:{volume.ResyncPercent:F2}") + rate + eta + waiting;
    }

    /// <summary>Bytes in the largest binary unit that leaves at least 1, with at most one decimal.</summary>
    internal static string Bytes(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        var value = (double)bytes;
        var unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return string.Create(CultureInfo.InvariantCulture, $"{value:0.#}{units[unit]}");
    }

    /// <summary>Colours by meaning: green is as it should be, yellow passes, red needs somebody.</summary>
    private readonly struct Paint(bool colours)
    {
        public string Of(Role role) => role == Role.Unknown ? Warn(role.ToString()) : role == Role.Primary ? Good(role.ToString()) : role.ToString();

        public string Of(DiskState state) => state switch
        {
            DiskState.UpToDate => Good(state.ToString()),
            DiskState.Failed or DiskState.Diskless or DiskState.Inconsistent => Bad(state.ToString()),
            _ => Warn(state.ToString()),
        };

        public string Of(ConnectionState state) => state switch
        {
            ConnectionState.Connected => Good(state.ToString()),
            ConnectionState.StandAlone or ConnectionState.ProtocolError => Bad(state.ToString()),
            _ => Warn(state.ToString()),
        };

        public string Of(ReplicationState state) => state == ReplicationState.Established ? Good(state.ToString()) : Warn(state.ToString());

        public string Bad(string text) => Colour(31, text);

        private string Good(string text) => Colour(32, text);

        private string Warn(string text) => Colour(33, text);

        private string Colour(int code, string text) =>
            colours ? string.Create(CultureInfo.InvariantCulture, $"\e[{code}m{text}\e[0m") : text;
    }
}
