namespace BlockRepl.Daemon.Tests.Configuration;

/// <summary>The table of what can be wrong with a configuration: one change to a good one, and what is said of it.</summary>
public sealed class ConfigurationErrorTests
{
    [Theory]
    // Keys.
    [InlineData("    volumes:", "    volume:", "7:5: unknown key \"volume\"; did you mean \"volumes\"?|7:5: resource \"mail\" has no \"volumes\"")]
    [InlineData("disk: /disks/spool", "disk: /disks/spool, colour: red", "8:36: unknown key \"colour\"")]
    [InlineData("tls: off", "tls: off\ntls: off", "5:1: key \"tls\" stands twice in the configuration")]
    [InlineData("  beta:", "  alpha:", "3:3: node \"alpha\" stands twice")]
    [InlineData("      spool: { disk: /disks/spool }", "      spool: { disk: /a }\n      spool: { disk: /b }", "9:7: volume \"spool\" stands twice in resource \"mail\"")]
    [InlineData("{ disk: /disks/spool }", "{ size: 1MiB }", "8:14: volume \"mail/spool\" has no \"disk\"")]
    [InlineData("tls: off", "", "1:1: the configuration has no \"tls\"")]
    // Nodes.
    [InlineData("127.0.0.1:7002", "127.0.0.1", "3:20: address: \"127.0.0.1\" is not HOST:PORT, like \"10.0.0.1:7789\" or \"[fd00::1]:7789\"")]
    [InlineData("127.0.0.1:7002", "127.0.0.1:70000", "3:20: address: \"127.0.0.1:70000\" is not HOST:PORT, like \"10.0.0.1:7789\" or \"[fd00::1]:7789\"")]
    [InlineData("127.0.0.1:7002", "127.0.0.1:7001", "3:9: address 127.0.0.1:7001 is already that of node \"alpha\"")]
    [InlineData("tls: off", "  gamma: { address: \"127.0.0.1:7003\" }\ntls: off", "4:3: node \"gamma\" is one too many; this release replicates between two nodes")]
    [InlineData("  beta:", "  b eta:", "3:3: node name \"b eta\" may only have letters, digits, '.', '_' and '-'")]
    // Links.
    [InlineData("tls: off", "tls: on", "4:6: tls: \"on\" is neither \"off\" nor { ca: FILE, cert: FILE, key: FILE }")]
    [InlineData("tls: off", "tls: { ca: a, cert: b }", "4:6: tls has no \"key\"")]
    [InlineData("tls: off", "tls: off\nnbd: { listen: here }", "5:16: listen: \"here\" is not HOST:PORT, like \"127.0.0.1:10809\"")]
    // Words, numbers, units.
    [InlineData("    volumes:", "    protocol: D\n    volumes:", "7:15: protocol: \"D\" is not one of A, B, C")]
    [InlineData("    volumes:", "    fencing: maybe\n    volumes:", "7:14: fencing: \"maybe\" is not one of dont-care, resource-only, resource-and-stonith")]
    [InlineData("    volumes:", "    timeout: 6\n    volumes:", "7:14: timeout: \"6\" is not a time; write it like 500ms, 6s or 2m")]
    [InlineData("    volumes:", "    timeout: 6 s\n    volumes:", "7:14: timeout: \"6 s\" is not a time; write it like 500ms, 6s or 2m")]
    [InlineData("    volumes:", "    timeout: 61s\n    volumes:", "7:14: timeout: 61s is out of range; it goes from 100ms to 1m")]
    [InlineData("    volumes:", "    ko-count: 201\n    volumes:", "7:15: ko-count: 201 is out of range; it goes from 0 to 200")]
    [InlineData("    volumes:", "    on-congestion: pull-ahead\n    volumes:", "7:20: on-congestion: pull-ahead lets the peer miss acknowledged writes, which protocol C excludes; use protocol A, or block")]
    [InlineData("    volumes:", "    on-congestion: disconnect\n    volumes:", "7:20: on-congestion: \"disconnect\" is not one of block, pull-ahead")]
    [InlineData("    volumes:", "    congestion-fill: 11GiB\n    volumes:", "7:22: congestion-fill: \"11GiB\" is not a size from 0 to 10GiB, like 64MiB")]
    [InlineData("    volumes:", "    congestion-fill: lots\n    volumes:", "7:22: congestion-fill: \"lots\" is not a size from 0 to 10GiB, like 64MiB")]
    [InlineData("    volumes:", "    congestion-extents: 66\n    volumes:", "7:25: congestion-extents: 66 is out of range; it goes from 67 to 65534")]
    [InlineData("    volumes:", "    ko-count: few\n    volumes:", "7:15: ko-count: \"few\" is not a whole number")]
    [InlineData("    volumes:", "    al-extents: 66\n    volumes:", "7:17: al-extents: 66 is out of range; it goes from 67 to 65534")]
    [InlineData("/disks/spool", "/disks/spool, size: 64MB", "8:42: size: \"64MB\" is not a size; write bytes, or KiB, MiB, GiB or TiB, like 64MiB")]
    [InlineData("/disks/spool", "/disks/spool, size: 0", "8:42: size: \"0\" is not a size; write bytes, or KiB, MiB, GiB or TiB, like 64MiB")]
    [InlineData("/disks/spool", "/disks/spool, size: -1", "8:42: size: \"-1\" is not a size; write bytes, or KiB, MiB, GiB or TiB, like 64MiB")]
    // What drbd.conf has and this program has not.
    [InlineData("    volumes:", "    after-sb-0pri: discard-node-betta\n    volumes:", "7:20: after-sb-0pri: no node is called \"betta\"; did you mean \"beta\"?")]
    [InlineData("    volumes:", "    after-sb-0pri: consensus\n    volumes:", "7:20: after-sb-0pri: \"consensus\" is not one of disconnect, discard-younger-primary, discard-older-primary, discard-zero-changes, discard-least-changes")]
    [InlineData("    volumes:", "    after-sb-1pri: violently-as0p\n    volumes:", "7:20: after-sb-1pri: violently-as0p would exchange a Primary's data under its clients, which this program never does; use consensus, or call-pri-lost-after-sb and demote the Primary in its handler")]
    [InlineData("    volumes:", "    after-sb-2pri: violently-as0p\n    volumes:", "7:20: after-sb-2pri: violently-as0p would exchange a Primary's data under its clients, which this program never does; use call-pri-lost-after-sb and demote the Primary in its handler")]
    [InlineData("    volumes:", "    rr-conflict: violently\n    volumes:", "7:18: rr-conflict: violently would exchange a Primary's data under its clients, which this program never does; use call-pri-lost and demote the Primary in its handler")]
    [InlineData("    volumes:", "    save-dir: { alpha: /a }\n    volumes:", "7:15: save-dir: nothing is said for node \"beta\"; name every node, or give one value for all")]
    // Types.
    [InlineData("/disks/spool", "", "8:23: disk is empty")]
    [InlineData("/disks/spool", "[/a, /b]", "8:22: disk: expected one value, found a list")]
    [InlineData("{ disk: /disks/spool }", "/disks/spool", "8:14: volume \"mail/spool\" is not a mapping; write at least { disk: PATH }")]
    [InlineData("      spool: { disk: /disks/spool }", "      - /disks/spool", "8:7: volumes: expected a mapping, found a list")]
    [InlineData("      spool: { disk: /disks/spool }", "", "7:13: volumes: expected a mapping, found nothing")]
    [InlineData("    volumes:", "    handlers: none\n    volumes:", "7:15: handlers: expected a mapping, found one value")]
    // Maps by node.
    [InlineData("/disks/spool", "{ alpha: /a }", "8:22: disk: nothing is said for node \"beta\"; name every node, or give one value for all")]
    [InlineData("/disks/spool", "{ alpha: /a, betta: /b }", "8:22: disk: nothing is said for node \"beta\"; name every node, or give one value for all|8:35: disk: no node is called \"betta\"; did you mean \"beta\"?")]
    [InlineData("{ disk: /disks/spool }", "{ disk: /d, io: sync }", "8:30: io: \"sync\" is neither buffered nor direct")]
    // Names.
    [InlineData("  mail:", "  all:", "6:3: a resource cannot be called \"all\": on the command line that names every resource")]
    [InlineData("  mail:", "  \"\":", "6:3: resource name \"\" is empty")]
    [InlineData("      spool:", "      a/b:", "8:7: volume name \"a/b\" may only have letters, digits, '.', '_' and '-'")]
    // What does not go together.
    [InlineData("      spool: { disk: /disks/spool }", "      a: { disk: /d }\n      b: { disk: /x/../d }", "9:18: /d is already used by mail/a on node \"alpha\"; every volume needs a disk of its own")]
    [InlineData("{ disk: /disks/spool }", "{ disk: /d, meta-disk: /d }", "8:37: /d is already used by mail/spool on node \"alpha\"; every volume needs a disk of its own")]
    [InlineData("    volumes:", "    protocol: A\n    fencing: resource-and-stonith\n    volumes:", "8:14: fencing: resource-and-stonith freezes until the peer is fenced, but with protocol A the peer may lack acknowledged writes all the same; use protocol C")]
    public void Each_mistake_is_named_with_its_place(string good, string bad, string expected)
    {
        Assert.Contains(good, ConfigurationText.Minimal, StringComparison.Ordinal);
        var (configuration, errors) = ConfigurationText.Parse(ConfigurationText.Minimal.Replace(good, bad, StringComparison.Ordinal));

        Assert.Null(configuration);
        Assert.Equal(expected.Split('|').Select(e => "blockrepl.yaml:" + e), errors.Select(e => e.ToString()));
    }

    [Theory]
    [InlineData("", "1:1: expected a mapping with \"nodes\", \"tls\" and \"resources\"")]
    [InlineData("- a\n", "1:1: expected a mapping with \"nodes\", \"tls\" and \"resources\"")]
    [InlineData("nodes: { alpha\n", "not YAML: ")]
    [InlineData("a: b\n---\nc: d\n", "2:1: not YAML: a second document: the configuration is one document")]
    [InlineData("nodes: *nowhere\n", "1:8: not YAML: no anchor \"nowhere\" above")]
    public void A_file_that_is_no_configuration_is_refused(string text, string expected)
    {
        var (configuration, errors) = ConfigurationText.Parse(text);

        Assert.Null(configuration);
        Assert.Contains(expected, Assert.Single(errors).ToString(), StringComparison.Ordinal);
        Assert.NotEqual(0, errors[0].Line);
    }

    [Fact]
    public void A_hostile_depth_is_refused_and_not_followed()
    {
        var error = Assert.Single(ConfigurationText.Parse("nodes: " + new string('[', 100_000)).Errors);
        Assert.Equal("not YAML: nested too deeply", error.Message);
    }

    [Fact]
    public void All_mistakes_are_named_at_once_in_the_order_of_the_file()
    {
        var (_, errors) = ConfigurationText.Parse(ConfigurationText.Minimal
            .Replace("7002", "x", StringComparison.Ordinal)
            .Replace("    volumes:", "    protocol: c\n    timeout: soon\n    volumes:", StringComparison.Ordinal)
            .Replace("disk:", "disc:", StringComparison.Ordinal));

        Assert.Equal([3, 7, 8, 10, 10], errors.Select(e => e.Line));
    }
}
