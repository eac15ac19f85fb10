using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>
/// Talks to the daemon, and blocks while it does. Refuses with 10 when there is no daemon, and when it ends meanwhile.
/// </summary>
/// <param name="socketPath">The control socket.</param>
public sealed class ControlClient(string socketPath)
{
    private readonly string _socketPath = socketPath;

    /// <summary>Whether a daemon listens, as far as can be told without asking it anything.</summary>
    public bool Exists
    {
        get
        {
            try
            {
                using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                socket.Connect(new UnixDomainSocketEndPoint(_socketPath));
                return true;
            }
            catch (Exception e) when (e is ArgumentException || e is SocketException { SocketErrorCode: not SocketError.AccessDenied })
            {
                return false;
            }
            catch (SocketException)
            {
                // It is there, and this user may not talk to it: the question itself will say so.
                return true;
            }
        }
    }

    /// <summary>The named resources as the daemon prints them.</summary>
    public byte[] StatusJson(string target, CancellationToken cancellationToken)
    {
        var (ok, body) = Ask("GET", $"/v1/status?target={Uri.EscapeDataString(target)}", null, cancellationToken);
        return ok ? body : throw new CliRefusalException(Refusal(body));
    }

    /// <summary>The block devices of the daemon's host as it prints them.</summary>
    public byte[] DevicesJson(CancellationToken cancellationToken)
    {
        var (ok, body) = Ask("GET", "/v1/devices", null, cancellationToken);
        return ok ? body : throw new CliRefusalException(Refusal(body));
    }

    /// <summary>Has a command carried out.</summary>
    public ControlResponse Execute(ControlRequest request, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(request, ControlJson.Default.ControlRequest);
        return Decode(Ask("POST", "/v1/commands", body, cancellationToken).Body, ControlJson.Default.ControlResponse);
    }

    /// <summary>Has the daemon wait; a null time-out is for ever.</summary>
    public ControlResponse Wait(WaitGoal goal, string target, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var limit = timeout is null ? "" : string.Create(null, $"&timeout_ms={(long)timeout.Value.TotalMilliseconds}");
        var path = $"/v1/wait?for={goal}&target={Uri.EscapeDataString(target)}{limit}";
        return Decode(Ask("GET", path, null, cancellationToken).Body, ControlJson.Default.ControlResponse);
    }

    /// <summary>
    /// The events, a line of JSON each. Ends by itself only after <paramref name="now"/>; otherwise the end of the stream is the
    /// end of the daemon, and a refusal.
    /// </summary>
    public IEnumerable<string> Events(string target, bool now, CancellationToken cancellationToken)
    {
        var path = $"/v1/events?target={Uri.EscapeDataString(target)}{(now ? "&now" : "")}";
        using var connection = Open("GET", path, null, cancellationToken);
        if (!Read(connection.ReadHead))
            throw new CliRefusalException(Refusal(Read(connection.ReadBody)));
        while (Read(connection.ReadLine) is { } line)
            yield return line;
        if (!now)
            throw Ended("its events ended");
    }

    private (bool Ok, byte[] Body) Ask(string method, string path, byte[]? body, CancellationToken cancellationToken)
    {
        using var connection = Open(method, path, body, cancellationToken);
        return (Read(connection.ReadHead), Read(connection.ReadBody));
    }

    private ControlConnection Open(string method, string path, byte[]? body, CancellationToken cancellationToken)
    {
        try
        {
            return new ControlConnection(_socketPath, method, path, body, cancellationToken);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            throw Unreachable(e);
        }
    }

    private T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (IOException e)
        {
            throw Ended(e.Message);
        }
    }

    private T Decode<T>(byte[] body, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(body, type) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new CliRefusalException(new ControlResult(ExitCodes.ConfigurationOrDaemon,
                $"the daemon at {_socketPath} answers what this command does not understand: {e.Message}",
                "the command and the daemon must be of the same version; restart the daemon after an upgrade"));
        }
    }

    private ControlResult Refusal(byte[] body) =>
        Decode(body, ControlJson.Default.ControlResponse).Results.FirstOrDefault(r => r.ExitCode != ExitCodes.Done)
        ?? new ControlResult(ExitCodes.Failed, "the daemon refused and did not say why");

    private DaemonGoneException Unreachable(Exception why)
    {
        var reason = why is SocketException { SocketErrorCode: SocketError.AccessDenied } ? "permission denied" : why switch
        {
            SocketException when !File.Exists(_socketPath) => "there is no such socket",
            _ => why.Message,
        };
        return new DaemonGoneException(new ControlResult(ExitCodes.ConfigurationOrDaemon,
            $"the daemon cannot be reached at {_socketPath}: {reason}",
            why is SocketException { SocketErrorCode: SocketError.AccessDenied }
                ? "run this as root"
                : "start it with \"blockrepl daemon\" or \"systemctl start blockrepl\", or name its directory with --run-dir"))
        {
            IsForbidden = why is SocketException { SocketErrorCode: SocketError.AccessDenied },
        };
    }

    private DaemonGoneException Ended(string why) => new(new ControlResult(ExitCodes.ConfigurationOrDaemon,
        $"the daemon at {_socketPath} ended before it answered: {why}", "see its log, and start it again: blockrepl daemon"));
}
