using System.Security.Cryptography;
using BlockRepl.Conformance.Server;

namespace BlockRepl.Conformance;

/// <summary>Programs that others wrote, against the whole server.</summary>
public sealed class RealClientTests
{
    [Fact]
    public void Nbdinfo_reads_the_export()
    {
        using var server = new TestServer();
        string json = Tool.Run("nbdinfo", "--json", server.Uri);
        Assert.Contains("\"export-name\": \"mail/db\"", json);
        Assert.Contains("\"description\": \"a test volume\"", json);
        Assert.Contains("\"export-size\": 67108864", json);
        Assert.Contains("\"structured\": true", json);
        Assert.Contains("\"can_multi_conn\": true", json);
        Assert.Contains("\"can_fua\": true", json);
        Assert.Contains("\"can_df\": true", json);
        Assert.Contains("\"can_fast_zero\": true", json);
        Assert.Contains("\"can_cache\": true", json);
        Assert.Contains("\"block_size_minimum\": 1,", json);
        Assert.Contains("\"block_size_preferred\": 4096,", json);
        Assert.Contains("\"block_size_maximum\": 33554432,", json);
        Assert.Contains("base:allocation", json);
    }

    [Fact]
    public void Nbdinfo_lists_the_exports_and_opens_the_only_one_without_a_name()
    {
        using var server = new TestServer();
        Assert.Contains("export=\"mail/db\"", Tool.Run("nbdinfo", "--list", $"nbd+unix:///?socket={server.SocketPath}"));
        Assert.Equal("67108864", Tool.Run("nbdinfo", "--size", $"nbd+unix:///?socket={server.SocketPath}").Trim());
        using var spool = new FileExport(server.PathOf("spool"), "mail/spool", 1 << 20);
        server.Source.Exports["mail/spool"] = spool;
        Assert.Contains("export=\"mail/spool\"", Tool.Run("nbdinfo", "--list", $"nbd+unix:///?socket={server.SocketPath}"));
    }

    [Fact]
    public void Nbdinfo_maps_data_and_holes()
    {
        using var server = new TestServer();
        Tool.Run("qemu-io", "-f", "raw", server.Uri, "-c", "write -P 5 1M 128k");
        string[] map = Tool.Run("nbdinfo", "--map", server.Uri).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, map.Length);
        Assert.Equal(["0", "1048576", "3", "hole,zero"], map[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(["1048576", "131072", "0", "data"], map[1].Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void A_refused_export_tells_the_client_why()
    {
        using var server = new TestServer();
        server.Source.Refusals["mail/db"] = "mail/db is Secondary on node beta; promote it first";
        InvalidOperationException refusal = Assert.Throws<InvalidOperationException>(() =>
        {
            using RawClient client = server.Connect();
            client.Greet().Go();
        });
        Assert.Equal("mail/db is Secondary on node beta; promote it first", refusal.Message);
    }

    [Fact]
    public void Nbdcopy_copies_there_and_back()
    {
        using var server = new TestServer();
        byte[] data = SparseContent(server.File.Info.SizeBytes);
        File.WriteAllBytes(server.PathOf("source"), data);
        Tool.Run("nbdcopy", "--flush", server.PathOf("source"), server.Uri);
        Tool.Run("nbdcopy", server.Uri, server.PathOf("copy"));
        Assert.Equal(SHA256.HashData(data), SHA256.HashData(File.ReadAllBytes(server.PathOf("copy"))));
        // Several connections and many requests at once.
        Tool.Run("nbdcopy", "--connections=4", "--requests=64", "--request-size=65536", server.Uri, server.PathOf("copy4"));
        Assert.Equal(SHA256.HashData(data), SHA256.HashData(File.ReadAllBytes(server.PathOf("copy4"))));
    }

    [Fact]
    public void Nbddump_shows_bytes()
    {
        using var server = new TestServer();
        Tool.Run("qemu-io", "-f", "raw", server.Uri, "-c", "write -P 0x41 0 16");
        Assert.Contains("41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41", Tool.Run("nbddump", "-n", "4096", server.Uri));
    }

    [Fact]
    public void Qemu_img_converts_and_compares()
    {
        using var server = new TestServer();
        File.WriteAllBytes(server.PathOf("source"), SparseContent(server.File.Info.SizeBytes));
        Tool.Run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", server.PathOf("source"), server.Uri);
        Assert.Contains("Images are identical", Tool.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", server.PathOf("source"), server.Uri));
    }

    [Fact]
    public void Qemu_io_reads_back_what_each_kind_of_change_leaves()
    {
        using var server = new TestServer();
        string said = Tool.Run("qemu-io", "-f", "raw", "-t", "writeback", server.Uri,
            "-c", "write -P 1 0 1M", "-c", "write -f -P 2 512k 4k", "-c", "write -z 64k 64k", "-c", "write -z -u 256k 64k",
            "-c", "discard 128k 64k", "-c", "flush",
            "-c", "read -P 1 0 64k", "-c", "read -P 0 64k 128k", "-c", "read -P 1 192k 64k", "-c", "read -P 0 256k 64k",
            "-c", "read -P 2 512k 4k", "-c", "write -P 9 777 333", "-c", "read -P 9 777 333");
        Assert.DoesNotContain("Pattern verification failed", said);
        Assert.DoesNotContain("error", said, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("randwrite")]
    [InlineData("randtrimwrite")]
    public void Fio_verifies_what_it_wrote_at_depth(string pattern)
    {
        using var server = new TestServer();
        string[] common =
        [
            "--name=verify", "--ioengine=nbd", $"--uri={server.Uri}", "--thread=1", "--iodepth=32",
            "--bsrange=512-64k", "--bs_unaligned=0", "--size=32m", $"--rw={pattern}", "--minimal",
        ];
        string[] verify = pattern == "randwrite" ? ["--verify=crc32c", "--verify_fatal=1", "--do_verify=1"] : [];
        Tool.Run("fio", [.. common, .. verify]);
    }

    [Fact]
    public void Fio_verifies_over_tcp()
    {
        using var server = new TestServer();
        int port = server.Server.ListenTcp(new(System.Net.IPAddress.Loopback, 0)).Port;
        Tool.Run("fio", "--name=verify", "--ioengine=nbd", $"--uri=nbd://127.0.0.1:{port}/mail/db", "--thread=1", "--iodepth=16",
            "--bs=16k", "--size=32m", "--rw=randwrite", "--verify=crc32c", "--verify_fatal=1", "--fsync=64", "--minimal");
    }

    [Fact]
    public void Libnbd_in_python_checks_the_finer_points()
    {
        using var server = new TestServer();
        server.File.Records = true;
        string script = Path.Combine(AppContext.BaseDirectory, "libnbd_checks.py");
        Assert.Contains("all checks passed", Tool.Run("/usr/bin/python3", script, server.Uri));
        Assert.Contains(server.File.Seen, r => r is { Command: BlockRepl.Nbd.NbdCommand.Write, Flags: BlockRepl.Nbd.NbdCommandFlags.ForceUnitAccess });
        Assert.Contains(server.File.Seen, r => r is { Command: BlockRepl.Nbd.NbdCommand.WriteZeroes, Flags: BlockRepl.Nbd.NbdCommandFlags.NoHole });
        Assert.Contains(server.File.Seen, r => r is { Command: BlockRepl.Nbd.NbdCommand.Trim, Length: 64 << 20 });
    }

    private static byte[] SparseContent(long size)
    {
        byte[] data = new byte[size];
        var random = new Random(1);
        for (int at = 0; at < size; at += 4 << 20)
            random.NextBytes(data.AsSpan(at, 1 << 20));
        return data;
    }
}
