using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace BlockRepl.Rpc.Tls;

/// <summary>Decides whether a certificate proves a node (G14). Says in one sentence why not.</summary>
internal static class PeerCertificate
{
    /// <summary>Extended key usage of servers and clients; node certificates have both.</summary>
    public const string ServerAuth = "1.3.6.1.5.5.7.3.1";

    /// <summary>See <see cref="ServerAuth"/>.</summary>
    public const string ClientAuth = "1.3.6.1.5.5.7.3.2";

    /// <summary>Checks issuer, dates, usage and name; null when all is well.</summary>
    /// <param name="presented">What the peer showed.</param>
    /// <param name="ca">The cluster's CA.</param>
    /// <param name="usage">What the peer uses it for.</param>
    /// <param name="expected">The node that it must be; null if any node of the cluster will do.</param>
    /// <param name="node">The node that it proves.</param>
    public static string? Refusal(X509Certificate? presented, X509Certificate2 ca, string usage, string? expected, out string? node)
    {
        node = null;
        if (presented is null)
            return "the peer showed no certificate";
        using var certificate = new X509Certificate2(presented);
        string name = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        using var chain = new X509Chain { ChainPolicy = Policy(ca, usage) };
        if (!chain.Build(certificate))
            return Explain(chain, certificate, name);
        if (!HasDnsName(certificate, name))
            return $"the peer's certificate names {Quote(name)}, but not as a DNS name too: it is not a node's certificate";
        if (expected is not null && name != expected)
            return $"the peer's certificate is that of node {Quote(name)}, not of {Quote(expected)}";
        node = name;
        return null;
    }

    /// <summary>The chain must end in our CA; the system's roots and revocation lists play no part.</summary>
    public static X509ChainPolicy Policy(X509Certificate2 ca, string usage)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.Add(ca);
        policy.ApplicationPolicy.Add(new Oid(usage));
        return policy;
    }

    private static string Explain(X509Chain chain, X509Certificate2 certificate, string name)
    {
        X509ChainStatusFlags flags = X509ChainStatusFlags.NoError;
        foreach (X509ChainStatus status in chain.ChainStatus)
            flags |= status.Status;
        const X509ChainStatusFlags Foreign =
            X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.NotSignatureValid;
        if ((flags & Foreign) != 0)
            return $"the peer's certificate ({Quote(name)}) is not from this cluster's CA";
        if ((flags & X509ChainStatusFlags.NotTimeValid) != 0)
        {
            return DateTime.Now > certificate.NotAfter
                ? $"the peer's certificate ({Quote(name)}) expired on {certificate.NotAfter:yyyy-MM-dd}"
                : $"the peer's certificate ({Quote(name)}) or its CA is not valid at this time (valid from {certificate.NotBefore:yyyy-MM-dd}); are the clocks right?";
        }

        return $"the peer's certificate ({Quote(name)}) is not valid: {flags}";
    }

    private static bool HasDnsName(X509Certificate2 certificate, string name)
    {
        foreach (X509Extension extension in certificate.Extensions)
        {
            if (extension is not X509SubjectAlternativeNameExtension san)
                continue;
            foreach (string dns in san.EnumerateDnsNames())
            {
                if (dns == name)
                    return true;
            }
        }

        return false;
    }

    private static string Quote(string name) => $"'{string.Concat(name.Take(64).Select(c => char.IsControl(c) ? ' ' : c))}'";
}
