using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Tests;

/// <summary>create-md, wipe-md and certs: no daemon anywhere.</summary>
public sealed class OfflineTests
{
    [Fact]
    public async Task Create_md_makes_the_missing_file_sparse_and_of_this_nodes_size()
    {
        await using var harness = Harness.WithoutDaemon();
        Directory.CreateDirectory(harness.Directory.File("a"));
        await File.WriteAllBytesAsync(harness.Directory.File("index.img"), new byte[4096]);

        Assert.Equal((0, "", ""), await harness.RunAsync("create-md", "mail"));

        Assert.Equal(["create mail/spool spool.img internal for beta", "create mail/index index.img index.meta for beta"], harness.Metadata.Calls);
        var file = new FileInfo(harness.Directory.File("a/spool.img"));
        Assert.Equal(64L << 20, file.Length);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, file.UnixFileMode);
    }

    [Fact]
    public async Task Create_md_leaves_a_disk_with_data_alone()
    {
        await using var harness = Harness.WithoutDaemon();
        Directory.CreateDirectory(harness.Directory.File("a"));
        await File.WriteAllTextAsync(harness.Directory.File("a/spool.img"), "data");
        harness.Metadata.Answer = p => ControlResult.Refused($"{p} has data where internal metadata would go", "say --force, or use an external meta-disk");

        Assert.Equal(
            (11, "", "mail/spool has data where internal metadata would go\nsay --force, or use an external meta-disk\n"),
            await harness.RunAsync("create-md", "mail/spool"));
        Assert.Equal("data", await File.ReadAllTextAsync(harness.Directory.File("a/spool.img")));
    }

    [Fact]
    public async Task Create_md_hands_force_on_and_takes_back_a_file_that_it_made_in_vain()
    {
        await using var harness = Harness.WithoutDaemon();
        Directory.CreateDirectory(harness.Directory.File("a"));
        harness.Metadata.Answer = _ => ControlResult.Failed("no space");

        var (code, _, _) = await harness.RunAsync("create-md", "mail/spool", "--force");

        Assert.Equal(1, code);
        Assert.Equal(["create mail/spool spool.img internal for beta force"], harness.Metadata.Calls);
        Assert.False(File.Exists(harness.Directory.File("a/spool.img")));
    }

    [Fact]
    public async Task Create_md_says_where_a_size_is_missing()
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, _, error) = await harness.RunAsync("create-md", "mail/index");

        Assert.Equal(10, code);
        Assert.Equal(
            $"{harness.Directory.File("blockrepl.yaml")}:9:7: the disk of mail/index, {harness.Directory.File("index.img")}, does not exist "
            + "and no \"size\" says how large to make it\nadd \"size\", like size: 1GiB, or create the disk first\n", error);
    }

    [Fact]
    public async Task Create_md_says_what_keeps_it_from_making_a_file()
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, _, error) = await harness.RunAsync("create-md", "mail/spool");
        Assert.Equal(1, code);
        Assert.StartsWith($"the disk of mail/spool, {harness.Directory.File("a/spool.img")}, cannot be created: ", error, StringComparison.Ordinal);

        Directory.CreateDirectory(harness.Directory.File("a/spool.img"));
        (code, _, error) = await harness.RunAsync("create-md", "mail/spool");
        Assert.Equal(11, code);
        Assert.Contains("is a directory", error, StringComparison.Ordinal);
        Assert.Empty(harness.Metadata.Calls);
    }

    [Theory]
    [InlineData("post", "resource \"post\" is not defined in the configuration\ndefined: mail\n")]
    [InlineData("mail/x", "volume \"mail/x\" is not defined in the configuration\ndefined: mail/spool, mail/index\n")]
    public async Task Names_that_are_not_defined_are_10(string name, string error)
    {
        await using var harness = Harness.WithoutDaemon();
        Assert.Equal((10, "", error), await harness.RunAsync("create-md", name));
    }

    [Fact]
    public async Task Wipe_md_wants_to_be_meant()
    {
        await using var harness = Harness.WithoutDaemon();
        var (code, _, _) = await harness.RunAsync("wipe-md", "mail/index");
        Assert.Equal(2, code);
        Assert.Empty(harness.Metadata.Calls);

        Assert.Equal((0, "", ""), await harness.RunAsync("wipe-md", "mail/index", "--force"));
        Assert.Equal(["wipe mail/index"], harness.Metadata.Calls);
    }

    [Theory]
    [InlineData("dump-md", "dump")]
    [InlineData("verify-md", "verify")]
    [InlineData("show-gi", "show-gi")]
    [InlineData("get-gi", "get-gi")]
    public async Task Verbs_that_look_at_metadata_print_an_answer_a_volume_without_a_daemon(string verb, string call)
    {
        await using var harness = Harness.WithoutDaemon();
        harness.Metadata.Answer = place => ControlResult.Answer($"about {place}");
        Assert.Equal((0, "about mail/spool\nabout mail/index\n", ""), await harness.RunAsync(verb));
        Assert.Equal([$"{call} mail/spool", $"{call} mail/index"], harness.Metadata.Calls);
        harness.Metadata.Answer = place => new ControlResult(ExitCodes.NoLocalDisk, $"{place}: no local disk", "create it");
        Assert.Equal((16, "", "mail/index: no local disk\ncreate it\n"), await harness.RunAsync(verb, "mail/index"));
    }

    [Fact]
    public async Task Dump_md_hands_json_on()
    {
        await using var harness = Harness.WithoutDaemon();
        await harness.RunAsync("dump-md", "mail/spool", "--json");
        Assert.Equal(["dump mail/spool json"], harness.Metadata.Calls);
    }

    [Fact]
    public async Task Upgrade_md_needs_no_daemon_and_no_force()
    {
        await using var harness = Harness.WithoutDaemon();
        Assert.Equal((0, "", ""), await harness.RunAsync("upgrade-md", "mail"));
        Assert.Equal(["upgrade mail/spool", "upgrade mail/index"], harness.Metadata.Calls);
        Assert.Equal(2, (await harness.RunAsync("upgrade-md", "mail", "--force")).Item1);
    }

    [Fact]
    public async Task Certs_go_to_the_directory_that_is_named_before_or_after()
    {
        await using var harness = Harness.WithoutDaemon();
        Assert.Equal((0, "the certificate authority is in ca.pem\n", ""), await harness.RunAsync("certs", "init", "--dir", "/d"));
        Assert.Equal((11, "", "alpha.key is there already\nremove it first\n"), await harness.RunAsync("certs", "--dir", "/d", "node", "alpha"));
        await harness.RunAsync("certs", "init");
        Assert.Equal(["init /d", "node alpha /d", "init /etc/blockrepl/tls"], harness.Certificates.Calls);
    }
}
