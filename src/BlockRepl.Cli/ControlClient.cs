using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli;

/// <summary>Talks to the daemon. Owned by one verb. Refuses with 10 when there is no daemon, and when it ends meanwhile.</summary>
public sealed class ControlClient : IDisposable
{
    private readonly string _socketPath;
    private readonly HttpClient _http;

    /// <summary>Does not connect yet.</summary>
    public ControlClient(string socketPath)
    {
        _socketPath = socketPath;
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ActivityHeadersPropagator = null,
            ConnectCallback = ConnectAsync,
        })
        {
            BaseAddress = new Uri("http://blockrepl"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The named resources as the daemon prints them.</summary>
    public async Task<byte[]> StatusJsonAsync(string target, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(HttpMethod.Get, $"/v1/status?target={Uri.EscapeDataString(target)}", null, cancellationToken);
        var body = await BodyAsync(response, cancellationToken);
        return response.IsSuccessStatusCode ? body : throw new CliRefusalException(Refusal(body));
    }

    /// <summary>The named resources.</summary>
    public async Task<IReadOnlyList<ResourceStatus>> StatusAsync(string target, CancellationToken cancellationToken) =>
        Decode(await StatusJsonAsync(target, cancellationToken), ControlJson.Default.IReadOnlyListResourceStatus);

    /// <summary>Has a command carried out.</summary>
    public async Task<ControlResponse> ExecuteAsync(ControlRequest request, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(request, ControlJson.Default.ControlRequest);
        using var response = await SendAsync(HttpMethod.Post, "/v1/commands", body, cancellationToken);
        return Decode(await BodyAsync(response, cancellationToken), ControlJson.Default.ControlResponse);
    }

    /// <summary>Has the daemon wait; a null time-out is for ever.</summary>
    public async Task<ControlResponse> WaitAsync(WaitGoal goal, string target, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var limit = timeout is null ? "" : string.Create(null, $"&timeout_ms={(long)timeout.Value.TotalMilliseconds}");
        var path = $"/v1/wait?for={goal}&target={Uri.EscapeDataString(target)}{limit}";
        using var response = await SendAsync(HttpMethod.Get, path, null, cancellationToken);
        return Decode(await BodyAsync(response, cancellationToken), ControlJson.Default.ControlResponse);
    }

    /// <summary>
    /// The events, a line of JSON each. Ends by itself only after <paramref name="now"/>; otherwise the end of the stream is the
    /// end of the daemon, and a refusal.
    /// </summary>
    public async IAsyncEnumerable<string> EventsAsync(string target, bool now, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var path = $"/v1/events?target={Uri.EscapeDataString(target)}{(now ? "&now" : "")}";
        using var response = await SendAsync(HttpMethod.Get, path, null, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw new CliRefusalException(Refusal(await BodyAsync(response, cancellationToken)));
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken), Encoding.UTF8);
        while (await ReadLineAsync(reader, cancellationToken) is { } line)
            yield return line;
        if (!now)
            throw Ended("the event stream ended");
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socketPath), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, byte[]? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new ByteArrayContent(body) };
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException e)
        {
            throw e.InnerException is SocketException or ArgumentException ? Unreachable(e.InnerException) : Ended(e.Message);
        }
    }

    private async Task<byte[]> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            return await response.Content.ReadAsByteArrayAsync(cancellationToken);
        }
        catch (HttpRequestException e)
        {
            throw Ended(e.Message);
        }
    }

    private async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw Ended(e.Message);
        }
    }

    private T Decode<T>(byte[] body, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
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

    private CliRefusalException Unreachable(Exception why)
    {
        var reason = why is SocketException { SocketErrorCode: SocketError.AccessDenied } ? "permission denied" : why switch
        {
            SocketException when !File.Exists(_socketPath) => "there is no such socket",
            _ => why.Message,
        };
        return new CliRefusalException(new ControlResult(ExitCodes.ConfigurationOrDaemon,
            $"the daemon cannot be reached at {_socketPath}: {reason}",
            why is SocketException { SocketErrorCode: SocketError.AccessDenied }
                ? "run this as root"
                : "start it with \"blockrepl daemon\" or \"systemctl start blockrepl\", or name its directory with --run-dir"));
    }

    private CliRefusalException Ended(string why) => new(new ControlResult(ExitCodes.ConfigurationOrDaemon,
        $"the daemon at {_socketPath} ended before it answered: {why}", "see its log, and start it again: blockrepl daemon"));
}
