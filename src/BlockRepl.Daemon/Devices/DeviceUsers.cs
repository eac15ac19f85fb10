using System.Globalization;

namespace BlockRepl.Daemon.Devices;

/// <summary>
/// Who uses a block device: file systems mounted from it or its partitions, devices stacked on it, swap, processes that have it open. Reads sysfs and procfs and
/// touches the device itself not at all, so it answers also while the device's I/O waits. Thread-safe.
/// </summary>
/// <param name="sys">Where sysfs is; another place in tests.</param>
/// <param name="proc">Where procfs is.</param>
internal sealed class DeviceUsers(string sys = "/sys", string proc = "/proc")
{
    private const int NamedMax = 4;

    /// <summary>The users of <c>/dev/NAME</c>, a phrase each; empty when nothing was found.</summary>
    public IReadOnlyList<string> Find(string device)
    {
        string name = Path.GetFileName(device);
        Dictionary<string, string> numbers = Numbers(name);
        List<string> users = [];
        foreach (string part in numbers.Values)
            AddHolders(users, part == name ? Path.Combine(sys, "block", name) : Path.Combine(sys, "block", name, part));
        AddSwap(users, numbers);

        // This process first, so that mount points have the names by which an administrator beside it knows them. The same mount seen from another root is no other user.
        HashSet<string> views = [];
        HashSet<string> mounts = [];
        foreach (string process in Directory.EnumerateDirectories(proc).Prepend(Path.Combine(proc, "self")))
        {
            string view = $"{LinkText(Path.Combine(process, "ns/mnt"))} {LinkText(Path.Combine(process, "root"))}";
            bool isProcess = int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out int pid);
            if ((isProcess || Path.GetFileName(process) == "self") && views.Add(view))
                AddMounts(users, process, numbers, mounts);
            if (isProcess)
                AddOpen(users, process, pid, numbers);
        }

        return users;
    }

    /// <summary>The users in one phrase, for a refusal.</summary>
    public static string Describe(IReadOnlyList<string> users)
    {
        string text = string.Join(", ", users.Take(NamedMax));
        return users.Count > NamedMax ? string.Create(CultureInfo.InvariantCulture, $"{text} and {users.Count - NamedMax} more") : text;
    }

    // "43:0" to "nbd0" for the disk and each of its partitions.
    private Dictionary<string, string> Numbers(string name)
    {
        Dictionary<string, string> numbers = [];
        string disk = Path.Combine(sys, "block", name);
        if (ReadLine(Path.Combine(disk, "dev")) is { } number)
            numbers[number] = name;
        if (!Directory.Exists(disk))
            return numbers;
        foreach (string part in Directory.EnumerateDirectories(disk, name + "*"))
        {
            if (ReadLine(Path.Combine(part, "dev")) is { } partNumber)
                numbers[partNumber] = Path.GetFileName(part);
        }

        return numbers;
    }

    private void AddHolders(List<string> users, string directory)
    {
        string holders = Path.Combine(directory, "holders");
        if (!Directory.Exists(holders))
            return;
        foreach (string holder in Directory.EnumerateFileSystemEntries(holders))
        {
            string name = Path.GetFileName(holder);
            string? title = ReadLine(Path.Combine(sys, "block", name, "dm/name"));
            users.Add(title is null ? $"held by {name}" : $"held by {name} ({title})");
        }
    }

    private void AddSwap(List<string> users, Dictionary<string, string> numbers)
    {
        foreach (string line in Lines(Path.Combine(proc, "swaps")))
        {
            string path = line.Split([' ', '\t'], 2)[0];
            if (numbers.ContainsValue(Path.GetFileName(path)) && path.StartsWith("/dev/", StringComparison.Ordinal))
                users.Add($"swap on {path}");
        }
    }

    // proc(5): "36 35 98:0 /root /mountpoint options [optional...] - type source superoptions"
    private static void AddMounts(List<string> users, string process, Dictionary<string, string> numbers, HashSet<string> mounts)
    {
        foreach (string line in Lines(Path.Combine(process, "mountinfo")))
        {
            string[] fields = line.Split(' ');
            int dash = Array.IndexOf(fields, "-");
            if (fields.Length < 5 || dash < 0)
                continue;

            // btrfs has numbers of its own; there the source tells.
            string source = dash + 2 < fields.Length ? fields[dash + 2] : "";
            bool isSource = source.StartsWith("/dev/", StringComparison.Ordinal) && numbers.ContainsValue(source[5..]);
            if (!numbers.ContainsKey(fields[2]) && !isSource)
                continue;
            if (mounts.Add(fields[0]))
                users.Add($"mounted at {Unescape(fields[4])}");
        }
    }

    private static void AddOpen(List<string> users, string process, int pid, Dictionary<string, string> numbers)
    {
        try
        {
            foreach (string fd in Directory.EnumerateFileSystemEntries(Path.Combine(process, "fd")))
            {
                if (LinkText(fd) is not { } target || !target.StartsWith("/dev/", StringComparison.Ordinal) || !numbers.ContainsValue(target[5..]))
                    continue;
                string program = ReadLine(Path.Combine(process, "comm")) ?? "?";
                users.Add(string.Create(CultureInfo.InvariantCulture, $"open in process {pid} ({program})"));
                return;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The process has ended meanwhile.
        }
    }

    // Blanks and the like are octal: "\040".
    private static string Unescape(string text)
    {
        var result = new System.Text.StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 3 < text.Length && text[i + 1] is >= '0' and <= '7')
            {
                result.Append((char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
                i += 3;
            }
            else
            {
                result.Append(text[i]);
            }
        }

        return result.ToString();
    }

    private static string? ReadLine(string path) => Lines(path).FirstOrDefault();

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? LinkText(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
