using System.Globalization;

namespace BlockRepl.Daemon.Configuration;

/// <summary>Host and port. The host is a name, an IPv4 address, or an IPv6 address without its brackets.</summary>
/// <param name="Host">Name or address, not yet resolved.</param>
/// <param name="Port">1 to 65535.</param>
public sealed record NodeAddress(string Host, int Port)
{
    /// <summary>Reads <c>host:port</c> or <c>[ipv6]:port</c>; null when <paramref name="text"/> is neither.</summary>
    public static NodeAddress? TryParse(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port is < 1 or > 65535)
            return null;
        var host = text[..colon];
        if (host is ['[', .. var inner, ']'])
            return inner.Contains(':') && Uri.CheckHostName(inner) == UriHostNameType.IPv6 ? new NodeAddress(inner, port) : null;
        return Uri.CheckHostName(host) is UriHostNameType.IPv4 or UriHostNameType.Dns ? new NodeAddress(host, port) : null;
    }

    /// <summary>True for 127.0.0.0/8, ::1 and "localhost": traffic that does not leave the machine.</summary>
    public bool IsLoopback =>
        Host == "localhost" || (System.Net.IPAddress.TryParse(Host, out var ip) && System.Net.IPAddress.IsLoopback(ip));

    /// <inheritdoc/>
    public override string ToString()
    {
        var host = Host.Contains(':') ? $"[{Host}]" : Host;
        return string.Create(CultureInfo.InvariantCulture, $"{host}:{Port}");
    }
}
