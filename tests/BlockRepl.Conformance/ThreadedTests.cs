using System.Security.Cryptography;
using BlockRepl.Conformance.Server;

namespace BlockRepl.Conformance;

/// <summary>Real clients at depth against an export whose requests are completed by several other threads.</summary>
public sealed class ThreadedTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Fio_verifies_what_it_wrote()
    {
        using TestServer server = Start();
        Tool.Run("fio", "--name=verify", "--ioengine=nbd", $"--uri={server.Uri}", "--thread=1", "--iodepth=64",
            "--bsrange=4k-256k", "--size=64m", "--rw=randwrite", "--verify=crc32c", "--verify_fatal=1", "--minimal");
    }

    [Fact]
    public void Nbdcopy_reads_over_several_connections_with_full_sockets()
    {
        using TestServer server = Start();
        byte[] data = new byte[server.Export.Info.SizeBytes];
        new Random(5).NextBytes(data);
        File.WriteAllBytes(server.PathOf("source"), data);
        Tool.Run("nbdcopy", "--connections=4", "--requests=32", "--request-size=1048576", server.PathOf("source"), server.Uri);
        Tool.Run("nbdcopy", "--connections=4", "--requests=32", "--request-size=1048576", server.Uri, server.PathOf("copy"));
        Assert.Equal(SHA256.HashData(data), SHA256.HashData(File.ReadAllBytes(server.PathOf("copy"))));
    }

    private TestServer Start() => new(export: new ThreadedExport(new FileExport(_path, TestServer.VolumeName, 64 << 20), workers: 3));
}
