namespace BlockRepl.Rpc.Tests;

/// <summary>Certificates of one cluster, made once for the run, and of a foreign one.</summary>
internal static class TestCerts
{
    private static readonly Lazy<string> ClusterDirectory = new(() => Make("alpha", "beta", "gamma"));
    private static readonly Lazy<string> ForeignDirectory = new(() => Make("alpha", "beta"));

    public static string Directory => ClusterDirectory.Value;

    public static TlsOptions Cluster(string node) => Load(ClusterDirectory.Value, node);

    public static TlsOptions Foreign(string node) => Load(ForeignDirectory.Value, node);

    public static TlsOptions Load(string directory, string node) => TlsOptions.Load(
        Path.Combine(directory, "ca.pem"), Path.Combine(directory, node + ".pem"), Path.Combine(directory, node + ".key"));

    private static string Make(params string[] nodes)
    {
        string directory = System.IO.Directory.CreateTempSubdirectory("blockrepl-certs-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => System.IO.Directory.Delete(directory, recursive: true);
        Certificates.InitCa(directory);
        foreach (string node in nodes)
            Certificates.IssueNode(directory, node);
        return directory;
    }
}
