using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Devices;

namespace BlockRepl.Cli.Commands;

/// <summary><c>device attach|detach|list</c>: volumes as block devices of this host.</summary>
internal static class DeviceCommand
{
    /// <summary>Creates the verb and its verbs.</summary>
    public static Command Create(GlobalOptions global, CliConsole console)
    {
        var command = new Command("device", "Volumes as block devices of this host");
        command.Subcommands.Add(CreateAttach(global, console));
        command.Subcommands.Add(CreateDetach(global, console));
        command.Subcommands.Add(CreateList(global, console));
        return command;
    }

    private static Command CreateAttach(GlobalOptions global, CliConsole console)
    {
        var volume = VolumeArgument();
        var path = new Argument<string?>("/dev/nbdN") { Description = "Which device; without it the kernel takes a free one", Arity = ArgumentArity.ZeroOrOne };
        path.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !IsNbdPath(result.Tokens[0].Value))
                result.AddError($"\"{result.Tokens[0].Value}\" is not /dev/nbdN");
        });
        var via = new Option<string>("--via") { Description = "kernel: its NBD client; fuse: nbdfuse and a loop device, where the kernel has none", HelpName = "kernel|fuse", DefaultValueFactory = _ => "kernel" };
        via.AcceptOnlyFromAmong("kernel", "fuse");
        var hold = new Option<string?>("--hold") { Description = "How long a request waits for a daemon that is away before it fails (10m)", HelpName = "TIME" };
        hold.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!Units.TryParseTime(result.Tokens[0].Value, out var time) || time < TimeSpan.FromSeconds(1)))
                result.AddError($"--hold: \"{result.Tokens[0].Value}\" is not a time from 1s to 24h; write it like 60s or 10m");
        });
        var attach = new Command("attach", "Make a volume a block device and print its path; the volume must be Primary here") { volume, path, via, hold };
        attach.Validators.Add(result =>
        {
            if (result.GetValue(via) == "fuse" && (result.GetValue(path) is not null || result.GetResult(hold)?.Implicit == false))
                result.AddError("with --via fuse the loop device is chosen by the kernel, and no I/O is held");
        });
        attach.SetAction((parse, cancellationToken) =>
        {
            TimeSpan? held = parse.GetValue(hold) is { } text && Units.TryParseTime(text, out var time) ? time : null;
            return Task.FromResult(Execute(global, console, parse, ControlVerb.DeviceAttach, parse.GetValue(volume)!, new ControlOptions
            {
                DevicePath = parse.GetValue(path),
                Via = parse.GetValue(via) == "fuse" ? DeviceVia.Fuse : DeviceVia.Kernel,
                Hold = held,
            }, cancellationToken));
        });
        return attach;
    }

    private static Command CreateDetach(GlobalOptions global, CliConsole console)
    {
        var target = new Argument<string>("RESOURCE/VOLUME|DEVICE") { Description = "The volume, or its device" };
        target.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !IsDevice(result.Tokens[0].Value))
                CheckVolume(result.Tokens[0].Value, result.AddError);
        });
        var force = NameArgument.Flag("--force", "Also while it is in use: its I/O fails from then on");
        var detach = new Command("detach", "End a volume's block device") { target, force };
        detach.SetAction((parse, cancellationToken) =>
        {
            string named = parse.GetValue(target)!;
            if (IsDevice(named))
            {
                string device = named;
                if (List(global, parse, cancellationToken).FirstOrDefault(candidate => candidate.Device == device) is not { } found)
                {
                    CliApplication.Report(console, ControlResult.Refused($"{device} is no device of this daemon's", "blockrepl device list shows those that are"));
                    return Task.FromResult(ExitCodes.StateRefused);
                }

                named = found.Volume;
            }

            return Task.FromResult(Execute(
                global, console, parse, ControlVerb.DeviceDetach, named, new ControlOptions { Force = parse.GetValue(force) }, cancellationToken));
        });
        return detach;
    }

    private static Command CreateList(GlobalOptions global, CliConsole console)
    {
        var json = NameArgument.Flag("--json", "Print JSON");
        var list = new Command("list", "A line for each device: path, volume, state, who uses it") { json };
        list.SetAction((parse, cancellationToken) =>
        {
            if (parse.GetValue(json))
                console.Out.WriteLine(System.Text.Encoding.UTF8.GetString(global.Connect(parse).DevicesJson(cancellationToken)));
            else
                Write(console.Out, List(global, parse, cancellationToken));
            return Task.FromResult(ExitCodes.Done);
        });
        return list;
    }

    /// <summary>Writes the list for a person.</summary>
    internal static void Write(TextWriter output, IEnumerable<DeviceStatus> devices)
    {
        foreach (DeviceStatus device in devices)
        {
            string held = device.State == DeviceState.Held
                ? string.Create(CultureInfo.InvariantCulture, $" for {device.SinceSeconds} s (a request waits {device.HoldSeconds} s at most)") : "";
            string detail = device.Detail is null ? "" : $": {device.Detail}";
            string users = device.Users.Count == 0 ? "not in use" : string.Join(", ", device.Users);
            output.WriteLine($"{device.Device} {device.Volume} via:{device.Via.ToString().ToLowerInvariant()} {device.State}{held}{detail}; {users}");
        }
    }

    private static int Execute(
        GlobalOptions global, CliConsole console, ParseResult parse, ControlVerb verb, string volume, ControlOptions options, CancellationToken cancellationToken) =>
        ResourceCommands.Print(console, global.Connect(parse).Execute(new ControlRequest(verb, volume, options), cancellationToken).Results);

    private static IReadOnlyList<DeviceStatus> List(GlobalOptions global, ParseResult parse, CancellationToken cancellationToken) =>
        JsonSerializer.Deserialize(global.Connect(parse).DevicesJson(cancellationToken), ControlJson.Default.IReadOnlyListDeviceStatus) ?? [];

    private static Argument<string> VolumeArgument()
    {
        var argument = new Argument<string>("RESOURCE/VOLUME") { Description = "The volume" };
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1)
                CheckVolume(result.Tokens[0].Value, result.AddError);
        });
        return argument;
    }

    private static void CheckVolume(string text, Action<string> report)
    {
        if (!ControlName.TryParse(text, out var name) || name.Volume is null)
            report($"\"{text}\" is not RESOURCE/VOLUME");
    }

    private static bool IsDevice(string text) => text.StartsWith("/dev/", StringComparison.Ordinal);

    private static bool IsNbdPath(string text) =>
        text.StartsWith("/dev/nbd", StringComparison.Ordinal) && int.TryParse(text.AsSpan(8), NumberStyles.None, CultureInfo.InvariantCulture, out _);
}
