using BlockRepl.Daemon.Configuration;
using BlockRepl.Device;
using BlockRepl.Primitives;
using HandlerKind = BlockRepl.Core.HandlerKind;

namespace BlockRepl.Daemon.Tests.Configuration;

public sealed class ConfigurationReaderTests
{
    [Fact]
    public void The_contracts_example_is_read_as_written()
    {
        var configuration = ConfigurationText.Accept("""
            nodes:
              alpha: { address: "10.0.0.1:7789" }
              beta:  { address: "10.0.0.2:7789" }
            tls: { ca: /etc/blockrepl/tls/ca.pem, cert: /etc/blockrepl/tls/node.pem, key: /etc/blockrepl/tls/node.key }   # or: tls: off
            resources:
              mail:
                protocol: C                     # A, B or C
                compression: auto               # off, lz4, auto
                fencing: resource-and-stonith   # dont-care, resource-only, resource-and-stonith
                handlers: { fence-peer: "/bin/a", unfence-peer: "/bin/b", split-brain: "/bin/c", out-of-sync: "/bin/d" }
                volumes:
                  cyrus-spool: { disk: /dev/vg0/cyrus-spool }
                  postgres:    { disk: /srv/postgres.img, size: 20GiB, meta-disk: /srv/postgres.meta }
            """);

        Assert.Equal(["alpha", "beta"], configuration.Nodes.Select(n => n.Name));
        Assert.Equal(new NodeAddress("10.0.0.2", 7789), configuration.FindNode("beta")!.Address);
        Assert.Equal("/etc/blockrepl/tls/node.key", configuration.Tls!.Key.For("alpha"));
        var mail = Assert.Single(configuration.Resources);
        Assert.Equal(FencingPolicy.ResourceAndStonith, mail.Fencing);
        Assert.Equal(
            ("/bin/a", "/bin/b", "/bin/c", "/bin/d", null),
            (mail.Handlers[HandlerKind.FencePeer], mail.Handlers[HandlerKind.UnfencePeer], mail.Handlers[HandlerKind.SplitBrain],
                mail.Handlers[HandlerKind.OutOfSync], mail.Handlers[HandlerKind.PriLost]));
        Assert.Equal(["cyrus-spool", "postgres"], mail.Volumes.Select(v => v.Name));
        Assert.Equal(new VolumeNr(1), mail.Volumes[1].Nr);
        Assert.Null(mail.Volumes[0].MetaDisk.For("alpha"));
        Assert.Equal(DeviceIo.Buffered, mail.Volumes[0].Io.For("alpha"));
        Assert.Equal("/srv/postgres.meta", mail.Volumes[1].MetaDisk.For("beta"));
        Assert.Equal(20L << 30, mail.Volumes[1].Size!.For("alpha"));
        Assert.Equal(new SourcePosition(13, 7), mail.Volumes[1].Source);
    }

    [Fact]
    public void Congestion_is_read_with_protocol_A()
    {
        NetworkOptions Read(string more) => ConfigurationText.Accept(
            ConfigurationText.Minimal.Replace("    volumes:", more + "    volumes:", StringComparison.Ordinal)).Resources[0].Network;
        NetworkOptions none = Read("");
        Assert.Equal((Core.CongestionPolicy.Block, 0, 1237), (none.OnCongestion, none.CongestionFillBytes, none.CongestionExtents));
        NetworkOptions all = Read("    protocol: A\n    on-congestion: pull-ahead\n    congestion-fill: 64MiB\n    congestion-extents: 67\n");
        Assert.Equal((Core.CongestionPolicy.PullAhead, 64L << 20, 67), (all.OnCongestion, all.CongestionFillBytes, all.CongestionExtents));
        Assert.Equal(0, Read("    congestion-fill: 0\n").CongestionFillBytes);
    }

    [Theory]
    [InlineData("resource-only", "but by a person")]
    [InlineData("resource-and-stonith", "I/O freezes until a person")]
    public void Fencing_without_a_handler_is_warned_about(string policy, string what)
    {
        string With(string more) => ConfigurationText.Minimal.Replace("    volumes:", $"    fencing: {policy}\n{more}    volumes:", StringComparison.Ordinal);
        Assert.Contains(what, Assert.Single(ConfigurationText.Accept(With("")).Warnings), StringComparison.Ordinal);
        Assert.Empty(ConfigurationText.Accept(With("    handlers: { fence-peer: /bin/fence }\n")).Warnings);
    }

    [Theory]
    [InlineData("")]
    [InlineData("    save-dir: /srv/saved\n")]
    [InlineData("    save-dir: { alpha: /srv/a, beta: /srv/b }\n")]
    public void A_file_read_twice_has_not_changed(string more)
    {
        ResourceConfiguration Read() => ConfigurationText.Accept(
            ConfigurationText.Minimal.Replace("    volumes:", more + "    volumes:", StringComparison.Ordinal)).Resources[0];
        Assert.Empty(Adjust.SettingLines.Between(Read(), Read()));
    }

    [Fact]
    public void Clear_text_beyond_the_machine_is_warned_about()
    {
        Assert.Empty(ConfigurationText.Accept(ConfigurationText.Minimal).Warnings);
        var open = ConfigurationText.Accept(ConfigurationText.Minimal.Replace("127.0.0.1:7002", "10.0.0.2:7002", StringComparison.Ordinal));
        Assert.Contains("clear text", Assert.Single(open.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Defaults_are_DRBDs()
    {
        var mail = ConfigurationText.Accept(ConfigurationText.Minimal).Resources[0];

        Assert.Equal(WriteProtocol.C, mail.Protocol);
        Assert.Equal(FencingPolicy.DontCare, mail.Fencing);
        Assert.Equal(CompressionPolicy.Auto, mail.Compression);
        Assert.Equal(1237, mail.ActivityLogExtents);
        Assert.Equal(
            (TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(10), 7, 65536),
            (mail.Network.Timeout, mail.Network.PingInterval, mail.Network.PingTimeout, mail.Network.ConnectInterval, mail.Network.KoCount,
                mail.Network.MaxEpochSize));
    }

    [Fact]
    public void One_node_needs_neither_peer_nor_tls()
    {
        var configuration = ConfigurationText.Accept("""
            nodes: { alpha: { address: "127.0.0.1:7001" } }
            resources: { mail: { volumes: { spool: { disk: spool.img, size: 1MiB } } } }
            """);

        Assert.Empty(configuration.PeersOf("alpha"));
        Assert.Equal("/cluster/spool.img", configuration.Resources[0].Volumes[0].Disk.For("alpha"));
    }

    [Fact]
    public void A_value_may_differ_by_node()
    {
        var volume = ConfigurationText.Accept(ConfigurationText.Minimal.Replace(
            "{ disk: /disks/spool }",
            "{ disk: { alpha: a.img, beta: /b.img }, io: { alpha: buffered, beta: direct }, size: { alpha: 1GiB, beta: 512KiB }, meta-disk: { alpha: internal, beta: m } }",
            StringComparison.Ordinal)).Resources[0].Volumes[0];

        Assert.Equal(("/cluster/a.img", "/b.img"), (volume.Disk.For("alpha"), volume.Disk.For("beta")));
        Assert.Equal((1L << 30, 512L << 10), (volume.Size!.For("alpha"), volume.Size.For("beta")));
        Assert.Equal((DeviceIo.Buffered, DeviceIo.Direct), (volume.Io.For("alpha"), volume.Io.For("beta")));
        Assert.Equal((null, "/cluster/m"), (volume.MetaDisk.For("alpha"), volume.MetaDisk.For("beta")));
    }

    [Fact]
    public void Nbd_over_TCP_is_off_unless_asked_for()
    {
        Assert.Null(ConfigurationText.Accept(ConfigurationText.Minimal).Nbd);
        var asked = ConfigurationText.Accept(ConfigurationText.Minimal + "nbd: { listen: \"127.0.0.1:10809\" }\n").Nbd!;
        Assert.Equal(("127.0.0.1:10809", (TlsConfiguration?)null), (asked.Listen.For("alpha").ToString(), asked.Tls));
    }

    [Fact]
    public void Anchors_spare_a_repetition()
    {
        var configuration = ConfigurationText.Accept(ConfigurationText.Minimal.Replace(
            "    volumes:", "    handlers: &h { out-of-sync: /bin/x }\n    volumes:", StringComparison.Ordinal)
            + "  web: { handlers: *h, volumes: { www: { disk: /disks/www } } }\n");

        Assert.Equal("/bin/x", configuration.Resources[1].Handlers[HandlerKind.OutOfSync]);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_an_error_that_names_it()
    {
        var error = Assert.Single(ConfigurationReader.Read("/nowhere/blockrepl.yaml").Errors);
        Assert.Equal("/nowhere/blockrepl.yaml: cannot read the configuration: there is no such file", error.ToString());
        error = Assert.Single(ConfigurationReader.Read("/").Errors);
        Assert.StartsWith("/: cannot read the configuration: ", error.ToString(), StringComparison.Ordinal);
    }
}
