using BlockRepl.Core;
using BlockRepl.Device;
using BlockRepl.Format;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Configuration;

/// <summary>Reads one resource and its volumes.</summary>
internal sealed class ResourceReader(PerNodeReader perNode, DiskOwners disks, string directory, ErrorSink errors)
{
    private static readonly NetworkOptions Defaults = NetworkOptions.Default;

    /// <summary>Reads a resource; null when something in it is wrong, which the sink then knows.</summary>
    public ResourceConfiguration? Read(YamlText name, YamlTree value)
    {
        CheckName(name, "resource");
        if (name.Value == NameRules.All)
            errors.Add(name.At, "a resource cannot be called \"all\": on the command line that names every resource");
        if (value is not YamlMap map)
        {
            errors.Add(value.At, $"resource \"{name.Value}\" is not a mapping");
            return null;
        }
        var reader = new MappingReader(map, $"resource \"{name.Value}\"", ConfigurationKeys.Resource, errors);
        var protocol = reader.Word("protocol", WriteProtocol.C,
            ("A", WriteProtocol.A), ("B", WriteProtocol.B), ("C", WriteProtocol.C));
        var fencing = reader.Word("fencing", FencingPolicy.DontCare, ("dont-care", FencingPolicy.DontCare),
            ("resource-only", FencingPolicy.ResourceOnly), ("resource-and-stonith", FencingPolicy.ResourceAndStonith));
        if (protocol == WriteProtocol.A && fencing == FencingPolicy.ResourceAndStonith)
        {
            errors.Add(reader.Take("fencing")!.At,
                "fencing: resource-and-stonith freezes until the peer is fenced, but with protocol A the peer may lack "
                + "acknowledged writes all the same; use protocol C");
        }
        var volumes = ReadVolumes(name.Value, reader);
        return volumes is null ? null : new ResourceConfiguration
        {
            Name = name.Value,
            Protocol = protocol,
            Fencing = fencing,
            Compression = reader.Word("compression", CompressionPolicy.Auto,
                ("off", CompressionPolicy.Off), ("lz4", CompressionPolicy.Lz4), ("auto", CompressionPolicy.Auto)),
            Handlers = ReadHandlers(reader),
            HandlerTimeout = reader.Time("handler-timeout", TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            OnIoError = reader.Word("on-io-error", IoErrorPolicy.Detach, ("detach", IoErrorPolicy.Detach), ("pass-on", IoErrorPolicy.PassOn)),
            DiskTimeout = ReadDiskTimeout(reader),
            OnNoDataAccessible = reader.Word("on-no-data-accessible", NoDataPolicy.IoError,
                ("io-error", NoDataPolicy.IoError), ("suspend-io", NoDataPolicy.SuspendIo)),
            Network = ReadNetwork(reader, protocol),
            Resync = ReadResync(reader),
            SplitBrain = new SplitBrainReader(perNode, directory, errors).Read(reader),
            ActivityLogExtents = reader.Number("al-extents", Superblock.DefaultActivityLogExtents, Superblock.ActivityLogExtentsMin, Superblock.ActivityLogExtentsMax),
            Volumes = volumes,
            Written = WrittenSettings.Of(map),
        };
    }

    private HandlerConfiguration ReadHandlers(MappingReader reader)
    {
        if (reader.AsMap(reader.Take("handlers"), "handlers") is not { } map)
            return HandlerConfiguration.None;
        var handlers = new MappingReader(map, "handlers", ConfigurationKeys.Handlers, errors);
        Dictionary<HandlerKind, string> commands = [];
        foreach (HandlerKind kind in Enum.GetValues<HandlerKind>())
        {
            if (handlers.Text(HandlerNames.Of(kind)) is { } command)
                commands.Add(kind, command);
        }
        return new HandlerConfiguration(commands);
    }

    /// <summary>drbd.conf's ranges: timeout 1..600 and ping-timeout 1..300 tenths of a second, the intervals 1..120 seconds.</summary>
    private NetworkOptions ReadNetwork(MappingReader reader, WriteProtocol protocol)
    {
        CongestionPolicy onCongestion = reader.Word("on-congestion", CongestionPolicy.Block, ("block", CongestionPolicy.Block), ("pull-ahead", CongestionPolicy.PullAhead));
        if (onCongestion == CongestionPolicy.PullAhead && protocol != WriteProtocol.A)
        {
            errors.Add(reader.Take("on-congestion")!.At,
                $"on-congestion: pull-ahead lets the peer miss acknowledged writes, which protocol {protocol} excludes; use protocol A, or block");
        }

        return new NetworkOptions
        {
            OnCongestion = onCongestion,
            CongestionFillBytes = ReadFill(reader),
            CongestionExtents = reader.Number("congestion-extents", Defaults.CongestionExtents, 67, 65534),
            Timeout = reader.Time("timeout", Defaults.Timeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(60)),
            PingInterval = reader.Time("ping-int", Defaults.PingInterval, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(120)),
            PingTimeout = reader.Time("ping-timeout", Defaults.PingTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(30)),
            ConnectInterval = reader.Time("connect-int", Defaults.ConnectInterval, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(120)),
            KoCount = reader.Number("ko-count", Defaults.KoCount, 0, 200),
            MaxEpochSize = reader.Number("max-epoch-size", Defaults.MaxEpochSize, 1, 1 << 20),
        };
    }

    // A disk that takes its head around once more, or a controller that resets, is not to be given up for that.
    private TimeSpan ReadDiskTimeout(MappingReader reader)
    {
        TimeSpan timeout = reader.Time("disk-timeout", TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromMinutes(10));
        if (timeout > TimeSpan.Zero && timeout < TimeSpan.FromSeconds(1))
            errors.Add(reader.Take("disk-timeout")!.At, "disk-timeout: less than 1s gives up disks that are only slow; 0s is never");
        return timeout;
    }

    private long ReadFill(MappingReader reader)
    {
        const long FillMax = 10L << 30;
        if (reader.Text("congestion-fill") is not { } text)
            return Defaults.CongestionFillBytes;
        if (Units.TryParseSize(text, out long bytes) && bytes <= FillMax)
            return bytes;
        errors.Add(reader.Take("congestion-fill")!.At, $"congestion-fill: \"{text}\" is not a size from 0 to 10GiB, like 64MiB");
        return Defaults.CongestionFillBytes;
    }

    private static ResyncOptions ReadResync(MappingReader reader) => new()
    {
        ImpactPercent = reader.Percent("resync-impact", ResyncOptions.Default.ImpactPercent, 1, 100),
        ComparesChecksums = reader.Word("csums-alg", ResyncOptions.Default.ComparesChecksums, ("off", false), ("sha256", true)),
        ChecksumsAfterCrashOnly = reader.Word("csums-after-crash-only", ResyncOptions.Default.ChecksumsAfterCrashOnly, ("no", false), ("yes", true)),
    };

    private List<VolumeConfiguration>? ReadVolumes(string resource, MappingReader reader)
    {
        if (reader.AsMap(reader.Require("volumes"), "volumes") is not { } map)
            return null;
        if (map.Entries.Count == 0)
            errors.Add(map.At, $"resource \"{resource}\" has no volume");
        List<VolumeConfiguration> volumes = [];
        HashSet<string> names = [];
        foreach (var (name, value) in map.Entries)
        {
            CheckName(name, "volume");
            if (!names.Add(name.Value))
                errors.Add(name.At, $"volume \"{name.Value}\" stands twice in resource \"{resource}\"");
            if (ReadVolume(resource, name, value, volumes.Count) is { } volume)
                volumes.Add(volume);
        }
        return volumes;
    }

    private VolumeConfiguration? ReadVolume(string resource, YamlText name, YamlTree value, int number)
    {
        var full = $"{resource}/{name.Value}";
        if (value is not YamlMap map)
        {
            errors.Add(value.At, $"volume \"{full}\" is not a mapping; write at least {{ disk: PATH }}");
            return null;
        }
        var reader = new MappingReader(map, $"volume \"{full}\"", ConfigurationKeys.Volume, errors);
        reader.Require("disk");
        var disk = perNode.Read<string>(reader, "disk", Path, (node, path, at) => disks.Claim(node, path, full, at));
        var meta = perNode.Read<string?>(reader, "meta-disk", MetaDisk, (node, path, at) =>
        {
            if (path is not null)
                disks.Claim(node, path, $"{full} (meta-disk)", at);
        });
        var size = perNode.Read<long>(reader, "size", Size);
        return disk is null ? null : new VolumeConfiguration
        {
            Name = name.Value,
            Nr = new VolumeNr((ushort)number),
            Disk = disk,
            Io = perNode.Read<DeviceIo>(reader, "io", Io) ?? new PerNode<DeviceIo>(DeviceIo.Buffered),
            MetaDisk = meta ?? new PerNode<string?>((string?)null),
            Size = size,
            ResyncAfter = reader.Text("resync-after") is { } after ? after.Contains('/') ? after : $"{resource}/{after}" : null,
            Source = name.At,
        };
    }

    private bool Path(string text, SourcePosition at, out string path)
    {
        path = "";
        if (text.Contains('\0'))
        {
            errors.Add(at, "a path cannot contain a zero byte");
            return false;
        }
        path = System.IO.Path.GetFullPath(text, directory);
        return true;
    }

    private bool MetaDisk(string text, SourcePosition at, out string? path)
    {
        path = null;
        if (text == "internal")
            return true;
        var ok = Path(text, at, out var full);
        path = full;
        return ok;
    }

    private bool Io(string text, SourcePosition at, out DeviceIo io)
    {
        io = text == "direct" ? DeviceIo.Direct : DeviceIo.Buffered;
        if (text is "direct" or "buffered")
            return true;
        errors.Add(at, $"io: \"{text}\" is neither buffered nor direct");
        return false;
    }

    private bool Size(string text, SourcePosition at, out long bytes)
    {
        if (Units.TryParseSize(text, out bytes) && bytes > 0)
            return true;
        errors.Add(at, $"size: \"{text}\" is not a size; write bytes, or KiB, MiB, GiB or TiB, like 64MiB");
        return false;
    }

    private void CheckName(YamlText name, string what)
    {
        if (NameRules.Refusal(name.Value) is { } refusal)
            errors.Add(name.At, $"{what} name \"{name.Value}\" {refusal}");
    }
}
