using System.Diagnostics;
using System.Text;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Cluster;

/// <summary>
/// The cluster manager's switch that makes it leave everything as it is, through Pacemaker's own commands. Every failure is a refusal in two lines: without the cluster there is nothing to switch.
/// </summary>
/// <param name="environment">Reads an environment variable; PATH says where the commands are.</param>
internal sealed class Pacemaker(Func<string, string?> environment)
{
    // crm_resource --refresh waits a minute for the nodes by itself.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>Whether the cluster leaves its resources alone.</summary>
    public bool IsInMaintenance() => Property("--query", "--quiet", "--default", "false").Trim() is "true" or "yes" or "on" or "1";

    /// <summary>Switches, and looks whether it is so.</summary>
    public void SetMaintenance(bool isOn)
    {
        Property("--update", isOn ? "true" : "false");
        if (IsInMaintenance() != isOn)
            throw Refuse("crm_attribute", $"it was told to switch maintenance {(isOn ? "on" : "off")} and it is not so");
    }

    /// <summary>Has the cluster look at every resource anew, so that it does not act on what it knew before.</summary>
    public void Refresh() => Run("crm_resource", "--refresh");

    private string Property(params string[] arguments) => Run("crm_attribute", ["--type", "crm_config", "--name", "maintenance-mode", .. arguments]);

    private string Run(string name, params string[] arguments)
    {
        string program = Find(name) ?? throw new CliRefusalException(ControlResult.Refused(
            $"there is no Pacemaker on this machine: the command {name} is not installed", "without a cluster manager nothing acts by itself: stop what uses the volumes, and update"));
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true },
        };
        var output = new StringBuilder();
        var error = new StringBuilder();
        process.OutputDataReceived += (_, line) => output.AppendLine(line.Data);
        process.ErrorDataReceived += (_, line) => error.AppendLine(line.Data);
        process.Start();
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            throw Refuse(name, $"it did not end within {Patience.TotalSeconds} s");
        }

        // Without a time this also waits for the last of the output.
        process.WaitForExit();
        string said = error.ToString().Trim();
        return process.ExitCode == 0 ? output.ToString() : throw Refuse(name, said.Length > 0 ? said.Split('\n')[^1] : $"it ended with {process.ExitCode}");
    }

    // The administrator's directories are not on everybody's PATH.
    private string? Find(string name) => $"{environment("PATH")}:/usr/sbin:/sbin".Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);

    private static CliRefusalException Refuse(string name, string why) => new(ControlResult.Refused(
        $"the cluster manager cannot be asked: {(why.StartsWith(name + ":", StringComparison.Ordinal) ? why : $"{name}: {why}")}", "is Pacemaker running on this node? see crm_mon, or systemctl status pacemaker"));
}
