using BlockRepl.Daemon.Devices;
using BlockRepl.Daemon.Tests.Control;

namespace BlockRepl.Daemon.Tests.Devices;

public sealed class DeviceUsersTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Sys => Path.Combine(_directory.Path, "sys");

    private string Proc => Path.Combine(_directory.Path, "proc");

    public DeviceUsersTests()
    {
        Put("sys/block/nbd1/dev", "43:32\n");
        Put("sys/block/nbd1/nbd1p1/dev", "43:33\n");
        Put("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
        Link("proc/self/ns/mnt", "mnt:[1]");
        Link("proc/self/root", "/");
        Put("proc/swaps", "Filename Type Size Used Priority\n");
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Nobody_is_nobody() => Assert.Empty(Find());

    [Fact]
    public void Mounts_of_the_disk_and_of_a_partition_are_named_once_each()
    {
        Put("proc/self/mountinfo", "30 22 43:32 / /srv/my\\040mail rw shared:1 - ext4 /dev/nbd1 rw\n31 22 43:33 / /srv/b rw - xfs /dev/nbd1p1 rw\n32 22 43:0 / /other rw - ext4 /dev/nbd0 rw\n");
        Put("proc/7/mountinfo", File.ReadAllText(Path.Combine(Proc, "self/mountinfo")));
        Link("proc/7/ns/mnt", "mnt:[1]");
        Link("proc/7/root", "/jail");
        Assert.Equal(["mounted at /srv/my mail", "mounted at /srv/b"], Find());
    }

    [Fact]
    public void A_mount_in_another_namespace_and_one_of_btrfs_are_found()
    {
        Put("proc/9/mountinfo", "70 60 0:55 / /data rw - btrfs /dev/nbd1 rw\n");
        Link("proc/9/ns/mnt", "mnt:[2]");
        Assert.Equal(["mounted at /data"], Find());
    }

    [Fact]
    public void Holders_swap_and_processes_are_named()
    {
        Put("sys/block/nbd1/holders/dm-3", "");
        Put("sys/block/dm-3/dm/name", "vg-mail\n");
        Put("proc/swaps", "Filename Type Size Used Priority\n/dev/nbd1p1 partition 1 0 -2\n");
        Put("proc/12/comm", "dd\n");
        Link("proc/12/fd/4", "/dev/nbd1");
        Assert.Equal(["held by dm-3 (vg-mail)", "swap on /dev/nbd1p1", "open in process 12 (dd)"], Find());
    }

    [Fact]
    public void Many_users_are_counted() => Assert.Equal("a, b, c, d and 2 more", DeviceUsers.Describe(["a", "b", "c", "d", "e", "f"]));

    private IReadOnlyList<string> Find() => new DeviceUsers(Sys, Proc).Find("/dev/nbd1");

    private void Put(string path, string text)
    {
        string full = Path.Combine(_directory.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }

    private void Link(string path, string target)
    {
        string full = Path.Combine(_directory.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.CreateSymbolicLink(full, target);
    }
}
